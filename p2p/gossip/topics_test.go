package gossip

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/prototest"
)

func TestParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"host":     func(p *Params) { p.Host = nil },
		"swarm":    func(p *Params) { p.Swarm = proto.ID{} },
		"prefix":   func(p *Params) { p.Prefix = "" },
		"members":  func(p *Params) { p.Members = nil },
		"outsider": func(p *Params) { p.Outsider = nil },
	} {
		p := Params{
			Host: struct{ host.Host }{}, Swarm: prototest.Swarm, Prefix: "/murmur/test",
			Members: func() *membership.List { return nil }, Outsider: func(peer.ID) bool { return false },
		}
		change(&p)
		if _, err := New(t.Context(), p); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("wrong %s: %v, want one line", name, err)
		}
	}
}
