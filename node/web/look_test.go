package web

import (
	"os"
	"strconv"
	"testing"

	"github.com/murmurnet/murmur/node/web/chromium"
)

func str(n int) string { return strconv.Itoa(n) }

// TestLook holds the page to what a person can read, in light and dark, on a desk and on a phone,
// and keeps pictures of it. axe-core lies in the directory that MURMUR_AXE names.
func TestLook(t *testing.T) {
	axe, err := os.ReadFile(os.Getenv("MURMUR_AXE") + "/axe.min.js")
	s := newSwarm(4, 300, 10)
	s.trouble()
	url, _ := serveSwarm(t, s, anywhere, 1000)
	b := chromium.Open(t, url, url+"#"+token)
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{
		{"desktop", "light", 1280, 900},
		{"dark", "dark", 1280, 900},
		{"tablet", "light", 768, 1024},
		{"phone", "light", 360, 780},
		{"phone-dark", "dark", 360, 780},
	} {
		t.Run(look.name, func(t *testing.T) {
			b := b.For(t)
			b.Look(look.width, look.height, look.scheme)
			b.Until("all is drawn", `document.querySelectorAll("#peers-table tbody tr").length === 5 && document.querySelector("#curve canvas")?.getBoundingClientRect().right <= innerWidth`)
			if wide := chromium.Eval[[]string](b, tooWide); len(wide) > 0 {
				t.Errorf("these do not fit on %d pixels: %q", look.width, wide)
			}
			b.Picture("screenshots/" + look.name + ".png")
			if err != nil {
				chromium.Missing(t, "MURMUR_REQUIRE_CHROMIUM", "MURMUR_AXE names no directory with axe-core")
			}
			chromium.Eval[any](b, string(axe)+`;0`)
			for _, v := range chromium.Eval[[]string](b, violations) {
				t.Error(v)
			}
		})
	}
	b.Quiet()
}

const (
	tooWide = `[...document.querySelectorAll("body *")]
		.filter((e) => e.checkVisibility() && !e.closest(".unseen, thead, .skip, #curve, [hidden]") &&
			(e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5 || e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline"))
		.map((e) => e.tagName + "." + e.className + " " + e.textContent.slice(0, 20))`

	// what axe-core calls serious or critical, with where
	violations = `(async () => {
		const all = document.querySelectorAll("details");
		for (const d of all) d.open = true;
		const found = (await axe.run()).violations.filter((v) => ["serious", "critical"].includes(v.impact));
		for (const d of all) d.open = false;
		return found.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).join("; "));
	})()`
)
