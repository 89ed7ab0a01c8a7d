package blob

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
)

// TestPlaces says who is served next.
func TestPlaces(t *testing.T) {
	type ask struct {
		who        string
		blob       byte // 0: none that a round waits for
		pace, rate uint64
	}
	fast, slow := uint64(2_500_000), uint64(125_000)
	for name, c := range map[string]struct {
		line  uint64   // what the server sends, in bytes/s; 0: not measured
		had   []string // who had a turn before
		slow  []string // who lost one, of another blob, by reading too slowly
		asks  []ask
		order []string
	}{
		"one place on a slow line, the fastest asker first": {
			line: slow, asks: []ask{{who: "slow", blob: 1, rate: slow}, {who: "unknown", blob: 1}, {who: "fast", blob: 1, rate: fast}},
			order: []string{"fast", "slow", "unknown"},
		},
		"its own payload before a faster node's": {
			line: slow, asks: []ask{{who: "relayed", blob: 1, pace: fast, rate: fast}, {who: "own", blob: 2, rate: slow}},
			order: []string{"own", "relayed"},
		},
		"a slower node's payload before its own": {
			line: 900_000, asks: []ask{{who: "own", blob: 2, rate: fast}, {who: "rare", blob: 1, pace: slow, rate: slow}},
			order: []string{"rare", "own"},
		},
		"who had a turn goes last": {
			line: slow, had: []string{"a"}, asks: []ask{{who: "a", rate: fast}, {who: "b"}}, order: []string{"b", "a"},
		},
		"who read too slowly goes last, whatever the blob": {
			line: slow, slow: []string{"a"}, asks: []ask{{who: "a", blob: 1, rate: fast}, {who: "a", blob: 2, rate: fast}, {who: "b", blob: 1}},
			order: []string{"b", "a", "a"},
		},
		"who read too slowly once goes before who had more turns": {
			line: slow, had: []string{"b", "b"}, slow: []string{"a"}, asks: []ask{{who: "b", rate: fast}, {who: "a"}}, order: []string{"a", "b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &places{rate: float64(c.line)}
				if err := p.take(t.Context(), asker{peer: "first"}, 0, 0); err != nil { // all others wait
					t.Fatal(err)
				}
				for _, who := range c.had {
					p.turns[asker{peer: peer.ID(who)}]++
				}
				for _, who := range c.slow {
					p.used++
					p.lose(peer.ID(who))
				}
				var order []string
				for _, a := range c.asks {
					go func() {
						k := asker{peer: peer.ID(a.who)}
						if a.blob > 0 {
							k.blob = proto.ID{a.blob}
						}
						if err := p.take(t.Context(), k, a.pace, a.rate); err != nil {
							t.Error(err)
						}
						order = append(order, a.who) // one at a time
					}()
					synctest.Wait()
				}
				for range c.asks {
					p.leave()
					synctest.Wait()
				}
				if !slices.Equal(order, c.order) {
					t.Errorf("served %v, want %v", order, c.order)
				}
				if p.leave(); p.used != 0 || p.turns != nil || p.dull != nil {
					t.Errorf("%d places are used and %d and %d turns remembered when all have left", p.used, len(p.turns), len(p.dull))
				}
			})
		})
	}
}

// TestPlacesMeasure: as many are served at once as the line carries, and who gives up waiting
// leaves no trace.
func TestPlacesMeasure(t *testing.T) {
	for _, c := range []struct{ rate, want int }{{0, firstPlaces}, {125_000, 1}, {625_000, 1}, {2_500_000, 2}, {12_500_000, 8}, {1 << 30, maxPlaces}} {
		synctest.Test(t, func(t *testing.T) {
			p := new(places)
			if c.rate > 0 {
				p.sending()
				for range 20 {
					time.Sleep(meterWindow / 4)
					p.sent(int(float64(c.rate)*(meterWindow/4).Seconds()), false)
				}
				p.sent(0, true)
			}
			given := 0
			for range maxPlaces + 1 {
				go func() {
					switch err := p.take(t.Context(), asker{peer: "a"}, 0, 0); {
					case err == nil:
						given++
					case !errors.Is(err, context.Canceled):
						t.Error(err)
					}
				}()
				synctest.Wait()
			}
			if given != c.want {
				t.Errorf("%d bytes/s serve %d at once, want %d", c.rate, given, c.want)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- p.take(ctx, asker{peer: "b"}, 0, 0) }()
			synctest.Wait()
			cancel()
			if <-done == nil || len(p.queue) != maxPlaces+1-given {
				t.Errorf("%d wait after one gave up", len(p.queue))
			}
			for range maxPlaces + 1 { // all are served in the end
				p.leave()
				synctest.Wait()
			}
			if given != maxPlaces+1 || p.used != 0 {
				t.Errorf("%d were served, %d places are used", given, p.used)
			}
		})
	}
}
