package p2p

import (
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto/prototest"
)

// TestAttempts tells for each address why nobody was reached there.
func TestAttempts(t *testing.T) {
	other := start(t, 2, nil)
	wrong := strings.Replace(other.Addrs()[0], other.host.ID().String(), peer.ID(prototest.Peer(3)).String(), 1)
	dead := "/ip4/127.0.0.1/tcp/1/p2p/" + peer.ID(prototest.Peer(4)).String()
	n := start(t, 1, func(p *Params) { p.Bootstrap = []string{wrong, dead} })
	until(t, n, 10*time.Second, "both were tried", func() bool { return len(n.Attempts()) == 2 })
	for _, a := range n.Attempts() {
		want := "another node answers there: the address is out of date"
		if strings.Contains(a.Addr, "/tcp/1") {
			want = "nothing listens there"
		}
		if a.Why != want || time.Since(a.At) > 10*time.Second {
			t.Errorf("%s: %q at %v, want %q", a.Addr, a.Why, a.At, want)
		}
	}
}
