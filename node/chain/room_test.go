package chain

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/wire"
)

// TestUpdatesThatMadeRoom has more updates signed for a head than a book keeps, by a voter or by as many strangers. Eight of them are those that a machine keeps and that make room in the book first: the
// round is closed without them (never; an author may send eight a second, so it took nine minutes of one round).
func TestUpdatesThatMadeRoom(t *testing.T) {
	for _, strangers := range []bool{false, true} {
		s, b := bookIn(t, t.TempDir())
		at := b.Genesis
		for _, author := range []byte{1, 2, 3} {
			at, _ = grow(t, s, b, at, author)
			if err := b.SetHead(at.ID); err != nil {
				t.Fatal(err)
			}
		}
		cfg := testConfig()
		cfg.StateSize, cfg.MaxPayload, cfg.Max = 1, 100, 10*time.Minute
		m, err := round.New(cfg, round.State{Base: at, Head: at.ID, Alone: true, Seq: 100})
		if err != nil {
			t.Fatal(err)
		}
		d := driver{t: t, s: s, b: b, m: m}
		d.step(round.Training{On: true})
		d.step(round.Progress{Total: 100, Rate: 1})
		for i := range maxLooseUpdates + 10 {
			first, key := i < 8, testKey(2)
			for n := 0; strangers; n++ { // whose turn to be listed comes first
				seed := proto.Sum(fmt.Append(nil, "stranger", i, n))
				key = ed25519.NewKeyFromSeed(seed[:])
				author := proto.PeerOf(key.Public().(ed25519.PublicKey))
				if draw := proto.Sum(append(slices.Clone(at.ID[:]), author...)); first == (draw[0] < 4) {
					break
				}
			}
			u := wire.Update{Author: proto.PeerOf(key.Public().(ed25519.PublicKey)), Parent: at.ID, Height: at.Height + 1, Seq: uint64(10 + i), Size: 1}
			if first {
				u.Seq += 1e6 // a machine keeps its author's newest
			}
			for n := 0; n == 0 || first != (u.ID[0] >= 0xf8); n++ { // the book, those with the lowest ids
				u.Tokens, u.High, u.Payload = uint64(1+n%300), uint64(n/300%10), proto.Sum(fmt.Append(nil, i, n))
				if u, err = u.Seal(testSwarm, key); err != nil {
					t.Fatal(err)
				}
			}
			d.step(round.Seen{Update: b.AddUpdate(u)})
			d.now += 125 * time.Millisecond
		}
		for end := d.now + 20*time.Minute; d.now < end && !d.closed; d.now += round.TickEvery {
			d.step(round.Tick{})
		}
		if !d.closed {
			t.Errorf("strangers %v: closed %v, after %d tries; %v", strangers, d.closed, d.builds, d.last)
		}
	}
}

// driver carries out what a machine asks, as far as it takes to close a round.
type driver struct {
	t      *testing.T
	s      *Store
	b      *Book
	m      *round.Machine
	now    time.Duration
	builds int
	closed bool
	last   error
}

func (d *driver) step(e round.Event) {
	for _, effect := range d.m.Step(d.now, e) {
		switch e := effect.(type) {
		case round.Publish:
			payload, size, err := d.s.PutPayload(peerOf(1), []byte{9, 9})
			if err != nil {
				d.t.Fatal(err)
			}
			w := sealed(1, wire.Update{Author: peerOf(1), Parent: e.Parent, Height: e.Height, Seq: e.Seq, Tokens: 100, Payload: payload, Size: size})
			d.step(round.Published{Update: d.b.AddUpdate(w), Covers: 100})
		case round.Build:
			d.builds++
			e.Draft.Root = proto.Sum([]byte("root"))
			c, err := d.b.Write(testKey(1), e.Draft)
			if err != nil {
				var lost LostError
				errors.As(err, &lost)
				d.last = err
				d.step(round.Unbuilt{Parent: e.Draft.Parent, Lost: lost})
				continue
			}
			d.closed = true
			d.step(round.Built{Commit: c})
		case round.Fetch:
			d.step(round.Held{Use: e.Update.Use()})
		}
	}
}
