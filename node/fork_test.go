package node

import (
	"testing"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestForkGoesOn has a fork's first round stand where the next round of the old swarm would: in the schedules of the
// learning rate and the method, in the inner steps, and in the data.
func TestForkGoesOn(t *testing.T) {
	m := manifest.Default()
	m.Method.Schedule = []outer.Point{{Tokens: 500_000, H: 40, OuterLR: .5}, {Tokens: 600_000, H: 20, OuterLR: .25}}
	old, root := proto.Sum([]byte("old")), proto.Sum([]byte("root"))
	method, err := m.Outer()
	if err != nil {
		t.Fatal(err)
	}
	cfg := m.Round(method, old, "a", chain.TagSize)
	update := func(parent round.Commit) []round.Update {
		return []round.Update{{Author: "a", Tokens: 100_000, High: parent.Cursor + 800}}
	}
	at := replica.Genesis(m, old, root)
	if at.Tokens != 0 || at.Cursor != 0 || at.NextH != m.Rounds.H {
		t.Fatalf("a swarm that begins anew stands at %+v", at)
	}
	for range 5 {
		at = round.Derive(cfg, at, update(at), nil, nil)
	}
	f := m
	f.Fork = &manifest.Fork{Swarm: old, Height: at.Height, Tokens: at.Tokens, Cursor: at.Cursor, H: at.NextH, Order: m.Order(old)}
	id := proto.Sum([]byte("new"))
	g := replica.Genesis(f, id, root)
	if g.ID != id || g.Height != 0 || g.Tokens != 500_000 || g.Cursor != 4000 || g.NextH != 40 || g.Target != at.Target {
		t.Fatalf("the fork stands at %+v", g)
	}
	for range 2 {
		x, y := round.Derive(cfg, at, update(at), nil, nil), round.Derive(cfg, g, update(g), nil, nil)
		if x.Tokens != y.Tokens || x.Cursor != y.Cursor || x.NextH != y.NextH || x.Target != y.Target {
			t.Errorf("the old swarm goes on to %+v, the fork to %+v", x, y)
		}
		a, _ := m.Method.At(x.Tokens)
		b, _ := f.Method.At(y.Tokens)
		if a.OuterLR != b.OuterLR || m.Inner.Rate(int64(x.Tokens)) != f.Inner.Rate(int64(y.Tokens)) {
			t.Errorf("rates at %d tokens: %g, %g", y.Tokens, a.OuterLR, b.OuterLR)
		}
		if p, q := data.Permute(m.Order(old), 4500, x.Cursor), data.Permute(f.Order(id), 4500, y.Cursor); p != q {
			t.Errorf("the next sample is %d, and was to be %d", q, p)
		}
		at, g = x, y
	}
	if g.NextH != 20 {
		t.Errorf("the next point of the schedule gives %d steps", g.NextH)
	}
}
