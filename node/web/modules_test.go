package web

import (
	"testing"

	"github.com/murmurnet/murmur/node/web/chromium"
)

// TestModules asks single scripts of the page.
func TestModules(t *testing.T) {
	url, _ := serveSwarm(t, newSwarm(1, 1, 1), anywhere, 1000)
	b := chromium.Open(t, url, url)
	for _, tc := range []struct{ name, js, want string }{
		{"a patch changes, adds and removes", `(await import("/merge.js")).merge({a: 1, b: {c: 2, d: 3}, e: [1]}, {a: 4, b: {c: null, f: 5}, e: [2, 3]})`, `{"a":4,"b":{"d":3,"f":5},"e":[2,3]}`},
		{"a patch of what was no tree", `(await import("/merge.js")).merge({a: [1]}, {a: {b: 1}})`, `{"a":{"b":1}}`},
		{"a patch without a tree", `(await import("/merge.js")).merge({a: 1}, [1])`, `[1]`},
		{"what a patch does not name stays the same", `(await import("/merge.js").then(({merge}) => { const o = {a: {b: 1}, c: 1}; return merge(o, {c: 2}).a === o.a; }))`, `true`},
		{
			"a stream in pieces", `(await import("/stream.js").then(({parser}) => {
				const got = [], take = parser((kind, data) => got.push([kind, data]));
				for (const piece of ["event: st", "ate\ndata: {\"a\":1}\n", "\nevent: patch\ndata: {}\n\nevent: rou", "nd\ndata: 2\n\n"]) take(piece);
				return got;
			}))`, `[["state",{"a":1}],["patch",{}],["round",2]]`,
		},
		{
			"a series is in order, replaces, and is bounded", `(await import("/record.js").then(({Series}) => {
				const s = new Series("n", 3);
				s.put([{n: 1}, {n: 3}, {n: 2, v: 0}]);
				s.put([{n: 2, v: 1}]);
				s.put([{n: 4}]);
				return [s.items, s.last];
			}))`, `[[{"n":2,"v":1},{"n":3},{"n":4}],4]`,
		},
		{
			"two curves over the heights of either", `(await import("/curve.js")).joined([{height: 2, loss: 5}, {height: 4, loss: 4}], [{height: 1, loss: 6}, {height: 2, loss: 5.5}])`,
			`[[1,2,4],[null,5,4],[6,5.5,null]]`,
		},
		{"numbers", `(await import("/format.js").then((f) => [f.bytes(999), f.bytes(1234), f.bytes(56_780_000), f.compact(1234567), f.span(3.21), f.span(200), f.count(1, "node"), f.never("0001-01-01T00:00:00Z")]))`, `["999 B","1.23 kB","56.8 MB","1.23M","3.2 s","3 min","1 node",true]`},
	} {
		if got := chromium.Eval[string](b, `(async () => JSON.stringify(`+tc.js+`))()`); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	b.Quiet()
}
