package node

import (
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/manifest"
)

func TestSends(t *testing.T) {
	private := func(n *Node) {
		n.manifest.Data.Name = manifest.Private
		n.book.Store(new(chain.Book))
	}
	for name, c := range map[string]struct {
		of    func(*Node)
		says  []string
		never []string
	}{
		"a quiet node":   {func(*Node) {}, []string{"everybody who has the link", "what the model learned"}, []string{"mDNS", "UPnP", "name server", "metrics", "your texts"}},
		"a node at home": {func(n *Node) { n.p.MDNS, n.p.Routers = true, true }, []string{"mDNS", "UPnP"}, nil},
		"peers by name":  {func(n *Node) { n.p.Bootstrap = []string{"/dns4/seed.example.org/tcp/1"} }, []string{"name server"}, nil},
		"metrics":        {func(n *Node) { n.p.Metrics = "127.0.0.1:9101" }, []string{"reaches 127.0.0.1:9101: metrics"}, nil},
		"private data":   {private, []string{"parts of your texts can be inferred", "stay here"}, nil},
		"a seed":         {func(n *Node) { n.p.Seed = true }, []string{"passes on"}, []string{"learned"}},
	} {
		n := new(Node)
		c.of(n)
		got := strings.Join(n.sends(), "\n")
		for _, s := range c.says {
			if !strings.Contains(got, s) {
				t.Errorf("%s: %q is not in\n%s", name, s, got)
			}
		}
		for _, s := range c.never {
			if strings.Contains(got, s) {
				t.Errorf("%s: %q is in\n%s", name, s, got)
			}
		}
		if !strings.Contains(got, "docs/privacy.md") {
			t.Errorf("%s: it does not say where more stands", name)
		}
	}
}
