package gossip

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestNeighbourIsReadAtAPace reads what a neighbour sends at once: the burst passes, the rest comes at its pace, and frames
// of next to nothing are no cheaper.
func TestNeighbourIsReadAtAPace(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int // of each read
		reads int
		takes time.Duration
	}{
		{"within the burst", 64 << 10, 16, 0},
		{"frames", 64 << 10, 32, 8 * time.Second},
		{"single bytes", 1, 32 << 10, 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := topics(time.Now, nil)
				s, began := &slowStream{endless{}, g.pace("talker"), t.Context()}, time.Now()
				for range c.reads {
					if n, err := s.Read(make([]byte, c.bytes)); n != c.bytes || err != nil {
						t.Fatal(n, err)
					}
				}
				if took := time.Since(began); took.Round(10*time.Millisecond) != c.takes {
					t.Errorf("%d reads of %d bytes took %v, want %v", c.reads, c.bytes, took, c.takes)
				}
			})
		})
	}
}

// endless is a stream that always has something to read.
type endless struct{ network.Stream }

func (endless) Read(b []byte) (int, error) { return len(b), nil }
