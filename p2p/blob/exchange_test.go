package blob

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/shaper"
	"github.com/murmurnet/murmur/proto"
)

// empty is a store without blobs, and a line without caps.
type empty struct{ Store }

func (empty) WaitUp(context.Context, shaper.Class, peer.ID, int) error   { return nil }
func (empty) WaitDown(context.Context, shaper.Class, peer.ID, int) error { return nil }
func (empty) Intake(peer.ID) float64                                     { return 0 }

func testParams() Params {
	return Params{
		Self: "self", Store: empty{}, Line: empty{}, Log: slog.New(slog.DiscardHandler),
		Nearest: func(ids []proto.PeerID) []proto.PeerID { return ids }, Outsider: func(peer.ID) bool { return false },
		Open: func(ctx context.Context, _ peer.ID) (network.Stream, func() bool, error) {
			<-ctx.Done()
			return nil, nil, ctx.Err()
		},
	}
}

func TestParams(t *testing.T) {
	for name, change := range map[string]func(*Params){
		"self":     func(p *Params) { p.Self = "" },
		"store":    func(p *Params) { p.Store = nil },
		"line":     func(p *Params) { p.Line = nil },
		"log":      func(p *Params) { p.Log = nil },
		"open":     func(p *Params) { p.Open = nil },
		"nearest":  func(p *Params) { p.Nearest = nil },
		"outsider": func(p *Params) { p.Outsider = nil },
	} {
		p := testParams()
		change(&p)
		if _, err := New(t.Context(), p); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("wrong %s: %v, want one line", name, err)
		}
	}
}

// TestCloseEndsFetches closes an exchange under a fetch that waits for its source, and
// begins another one afterwards.
func TestCloseEndsFetches(t *testing.T) {
	reached := make(chan struct{})
	p := testParams()
	open := p.Open
	p.Open = func(ctx context.Context, to peer.ID) (network.Stream, func() bool, error) {
		close(reached)
		return open(ctx, to)
	}
	x, err := New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	f := Fetch{ID: proto.Sum(nil), Size: 10, MaxSize: 10, Path: t.TempDir() + "/blob", Sources: []proto.PeerID{"source"}}
	ended := make(chan error, 1)
	go func() { ended <- x.Fetch(t.Context(), f) }()
	<-reached
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a fetch outlived its exchange")
	}
	if err := x.Fetch(t.Context(), f); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a fetch began after the end: %v", err)
	}
}
