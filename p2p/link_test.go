package p2p

import (
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/prototest"
)

func TestLink(t *testing.T) {
	id := prototest.Peer(1).String()
	for _, l := range []Link{
		{Swarm: prototest.Swarm},
		{Swarm: prototest.Swarm, Addrs: []string{"/ip4/192.0.2.7/udp/4101/quic-v1/p2p/" + id}},
		{Swarm: prototest.Swarm, Addrs: []string{"/ip6/2001:db8::7/tcp/4101/p2p/" + id, "/dns4/seed.example/udp/4101/quic-v1/p2p/" + id}},
		{Swarm: prototest.Swarm, Checkpoint: proto.Sum([]byte("a commit")), CheckpointHeight: 120},
		{Swarm: prototest.Swarm, Addrs: []string{"/ip4/192.0.2.7/udp/4101/quic-v1/p2p/" + id}, Checkpoint: proto.Sum([]byte("a commit")), CheckpointHeight: 1},
	} {
		got, err := ParseLink(" " + l.String() + "\n")
		if err != nil || got.Swarm != l.Swarm || !slices.Equal(got.Addrs, l.Addrs) || got.Checkpoint != l.Checkpoint || got.CheckpointHeight != l.CheckpointHeight {
			t.Errorf("%s came back as %v, %v", l, got, err)
		}
	}
	many := Link{Swarm: prototest.Swarm, Addrs: slices.Repeat([]string{"/ip4/192.0.2.7/tcp/4101/p2p/" + id}, 2*maxLinkAddrs)}
	if l, err := ParseLink(many.String()); err != nil || len(l.Addrs) != maxLinkAddrs {
		t.Errorf("a machine with many addresses makes a link that reads as %d, %v", len(l.Addrs), err)
	}
	good := Link{Swarm: prototest.Swarm}.String()
	addr := "/ip4/192.0.2.7/udp/4101/quic-v1/p2p/" + id
	for name, c := range map[string]struct{ link, says string }{
		"empty":              {"", "murmur://"},
		"another scheme":     {"https://murmur.example/", "https"},
		"no scheme":          {prototest.Swarm.String(), "begin"},
		"no swarm":           {"murmur://", "missing"},
		"no swarm, query":    {"murmur://?a=" + addr, "missing"},
		"swarm of noise":     {"murmur://swarm", `"swarm"`},
		"swarm cut short":    {good[:len(good)-4], "swarm id"},
		"another hash":       {"murmur://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", "swarm id"},
		"no peer id":         {good + "?a=/ip4/192.0.2.7/udp/4101/quic-v1", "/p2p/ID"},
		"host and port":      {good + "?a=192.0.2.7:4101", "192.0.2.7:4101"},
		"unknown key":        {good + "?b=1", `"b"`},
		"broken escape":      {good + "?a=%zz", "question mark"},
		"too many":           {good + "?" + strings.Repeat("a="+addr+"&", maxLinkAddrs) + "a=" + addr, "17"},
		"too long":           {good + "?a=" + strings.Repeat("x", maxLink), "characters"},
		"a line break":       {good + "?a=/ip4/1\n2", "address"},
		"half a checkpoint":  {good + "?c=12", "checkpoint"},
		"checkpoint 0":       {good + "?c=0." + prototest.Swarm.String(), "checkpoint"},
		"checkpoint of none": {good + "?c=12.x", "checkpoint"},
		"a relative address": {good + "?a=", "address"},
	} {
		_, err := ParseLink(c.link)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if s := err.Error(); strings.Contains(s, "\n") || !strings.Contains(s, c.says) || !strings.Contains(s, linkExample) {
			t.Errorf("%s: %q does not say %q and how a right one looks in one line", name, s, c.says)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	l := Link{Swarm: prototest.Swarm, Addrs: []string{"/ip4/192.0.2.7/udp/4101/quic-v1/p2p/" + prototest.Peer(1).String()}}
	for _, s := range []string{l.String(), l.String() + "&c=12." + prototest.Swarm.String(), "murmur://", "murmur://x?a=%2Fip4", l.String() + "&a=", "murmur://?&&&a=;", strings.ToUpper(l.String())} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLink(s)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than one line: %q", err)
			}
			return
		}
		again, err := ParseLink(l.String())
		if err != nil || again.Swarm != l.Swarm || !slices.Equal(again.Addrs, l.Addrs) {
			t.Fatalf("%q came back as %v, %v", l, again, err)
		}
	})
}
