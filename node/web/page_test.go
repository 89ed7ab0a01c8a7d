package web

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/web/chromium"
)

const token = "a-token-of-a-test-and-no-secret"

// serveSwarm opens the page of a made-up node, which goes on by a tick a second; each round is
// over after some of them.
func serveSwarm(t *testing.T, s *swarm, perRound int) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := api.New(s)
	a.Page(api.PageParams{Listener: l, Token: token, Assets: Handler()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.tick(perRound)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = a.Close()
	})
	return "http://" + l.Addr().String() + "/"
}

func TestPage(t *testing.T) {
	s := newSwarm(4, 300, 10)
	url := serveSwarm(t, s, 3)
	b := chromium.Open(t, url, url+"#"+token)
	b.Look(1280, 900, "light")
	b.Until("all nodes are shown", `document.querySelectorAll("#peers-table tbody tr").length === 5`)
	b.Until("the curve", `document.querySelectorAll("#curve canvas").length === 1`)
	b.Picture("screenshots/desktop.png")
	s.trouble()
	b.Until("gone", `document.querySelector("#peers-table").innerText.includes("Gone")`)
	b.Look(1280, 900, "dark")
	b.Picture("screenshots/dark.png")
	b.Look(360, 780, "light")
	b.Picture("screenshots/phone.png")
	b.Click(`#controls [data-for="15m"]`)
	b.Until("paused", `document.querySelector("#state-word").innerText === "Paused"`)
	b.Look(1280, 900, "light")
	b.Picture("screenshots/paused.png")
	b.Quiet()
}
