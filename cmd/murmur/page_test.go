//go:build linux

package main

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/web/chromium"
)

// TestLivePage watches a swarm of four daemons on the page of one of them, as its user would.
func TestLivePage(t *testing.T) {
	// The loss is measured where that is a small part of training: steps must not be too small.
	dirs := newSwarmOf(t, 4, strings.NewReplacer("batch = 4", "batch = 32", "snapshot_every = 200", "snapshot_every = 6").Replace(apart))
	a := up(t, dirs[0], "--page", "127.0.0.1:0")
	var others []*daemon
	for _, dir := range dirs[1:] {
		others = append(others, up(t, dir, append(a.bootstrap(), "--page", "off")...))
	}
	s := a.until("all four share rounds", func(s api.State) bool { return s.Head.Roster == 4 && trains(s) })
	link := done(t, filepath.Dir(dirs[0]), "page", "--dir", dirs[0])
	url, token, _ := strings.Cut(link, "#")
	for _, tc := range []struct{ name, token, origin string }{{"a wrong token", token + "x", ""}, {"another web site", token, "http://192.0.2.1"}} {
		if code := asked(t, url+"v1/state", tc.token, tc.origin); code != http.StatusForbidden {
			t.Errorf("%s: %d", tc.name, code)
		}
	}

	b := chromium.Open(t, url, link)
	rows := `[...document.querySelectorAll("#peers-table tbody tr")].map((r) => r.textContent)`
	b.Until("all four are shown", rows+`.filter((r) => r.includes("Training")).length === 4`)
	for _, p := range s.Peers {
		b.Until("it is shown how a peer is reached", rows+`.some((r) => r.includes("`+p.ID.Short()+`") && /LAN|direct/.test(r))`)
	}
	place := `Number(document.querySelector("#curve").getAttribute("aria-label").match(/at round (\d+)$/)?.[1])`
	b.Until("the curve is drawn", `document.querySelector("#curve canvas") && `+place+` > 0`)
	begun := chromium.Eval[int](b, place)
	b.Until("the curve grows", place+` > `+strconv.Itoa(begun))

	killed := others[2]
	id := killed.until("it answers", whatever).Peer.Short()
	killed.signal(syscall.SIGKILL)
	if took := b.Until("the killed node is gone", rows+`.some((r) => r.includes("`+id+`") && r.includes("Gone"))`); took > 15*time.Second {
		t.Errorf("the killed node was gone after %v", took)
	} else {
		t.Logf("the killed node was gone after %v", took)
	}

	pid := a.until("it trains", trains).Trainer.Pid
	b.Click(`#controls [data-for="15m"]`)
	b.Until("the reason shows", `document.querySelector("#state-word").textContent === "Paused" && document.querySelector("#state-why").textContent.startsWith("Paused by hand until ")`)
	gone(t, pid)
	b.Click("#resume")
	b.Until("it trains again", `document.querySelector("#state-word").textContent === "Training"`)
	b.Quiet()
}

// asked is how the page's door answers a program that asks.
func asked(t *testing.T, url, token, origin string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
