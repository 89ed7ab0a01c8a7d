package status

import (
	"strings"
	"testing"
)

func TestSends(t *testing.T) {
	for name, c := range map[string]struct {
		of    Leaves
		says  []string
		never []string
	}{
		"a quiet node":   {Leaves{}, []string{"everybody who has the link", "what the model learned"}, []string{"mDNS", "UPnP", "name server", "metrics", "your texts"}},
		"a node at home": {Leaves{MDNS: true, Routers: true}, []string{"mDNS", "UPnP"}, nil},
		"peers by name":  {Leaves{Bootstrap: []string{"/dns4/seed.example.org/tcp/1"}}, []string{"name server"}, nil},
		"metrics":        {Leaves{Metrics: "127.0.0.1:9101"}, []string{"reaches 127.0.0.1:9101: metrics"}, nil},
		"private data":   {Leaves{Private: true}, []string{"parts of your texts can be inferred", "stay here"}, nil},
		"a seed":         {Leaves{Seed: true}, []string{"passes on"}, []string{"learned"}},
	} {
		got := strings.Join(c.of.Sends(), "\n")
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
