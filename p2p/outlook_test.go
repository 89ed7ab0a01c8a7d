package p2p

import (
	"net/netip"
	"testing"
)

func TestOutlookMoves(t *testing.T) {
	var o outlook
	for _, step := range []struct {
		what   string
		v4, v6 string
		moved  bool
	}{
		{what: "the start", v4: "192.168.1.10/32", v6: "2001:db8:1::/64"},
		{what: "the same", v4: "192.168.1.10/32", v6: "2001:db8:1::/64"},
		{what: "a cut"},
		{what: "the cut ends", v4: "192.168.1.10/32"},
		{what: "IPv6 is back", v4: "192.168.1.10/32", v6: "2001:db8:1::/64"},
		{what: "another router", v4: "192.168.7.10/32", moved: true},
		{what: "it stays there", v4: "192.168.7.10/32"},
		{what: "its IPv6 follows", v4: "192.168.7.10/32", v6: "2001:db8:7::/64", moved: true},
		{what: "a cut", v6: "2001:db8:7::/64"},
		{what: "back home", v4: "192.168.1.10/32", v6: "2001:db8:7::/64", moved: true},
	} {
		var now outlook
		for i, s := range []string{step.v4, step.v6} {
			if s != "" {
				now[i] = netip.MustParsePrefix(s)
			}
		}
		if got := o.moved(now); got != step.moved {
			t.Errorf("%s: moved is %v", step.what, got)
		}
	}
}
