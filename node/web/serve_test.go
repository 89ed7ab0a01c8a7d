package web

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
)

const token = "a-token-of-a-test-and-no-secret"

// serveSwarm opens the page of a made-up node, which goes on by a tick a second; each round is over
// after some of them. An address that ended may be served again.
func serveSwarm(t *testing.T, s *swarm, at string, perRound int) (url string, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", at)
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
	end = func() {
		cancel()
		<-done
		_ = a.Close()
	}
	t.Cleanup(end)
	return "http://" + l.Addr().String() + "/", end
}

const anywhere = "127.0.0.1:0"
