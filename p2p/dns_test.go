package p2p

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	madns "github.com/multiformats/go-multiaddr-dns"

	"github.com/murmurnet/murmur/proto"
)

// TestBootstrapByName: a community keeps its seeds' addresses in the DNS, as TXT records of
// one name; the first of these has nobody behind it.
func TestBootstrapByName(t *testing.T) {
	seed := start(t, 1, nil)
	at := seed.Addrs()[0]
	names, err := madns.NewResolver(madns.WithDefaultResolver(&madns.MockResolver{TXT: map[string][]string{
		"_dnsaddr.seeds.example.org": {"dnsaddr=/ip4/127.0.0.1/udp/9/quic-v1/p2p/" + seed.ID().String(), "dnsaddr=" + at},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	me := start(t, 2, func(p *Params) {
		p.Bootstrap = []string{"/dnsaddr/seeds.example.org/p2p/" + seed.ID().String()}
		p.Host = append(p.Host, libp2p.MultiaddrResolver(swarm.ResolverFromMaDNS{Resolver: names}))
	})
	until(t, me, 20*time.Second, "the seed is reached by its name", func() bool {
		return len(me.Connected()) == 1 && me.Connected()[0] == proto.PeerID(seed.host.ID())
	})
}
