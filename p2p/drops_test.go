package p2p

import (
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto/prototest"
)

// TestFloodIsCounted has a peer say more than it may: it is heard, for a part, and what was
// dropped shows in the traffic.
func TestFloodIsCounted(t *testing.T) {
	const flood = 128 // four times what an author may say at once
	a := start(t, 1, nil)
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "they are connected", func() bool { return len(a.Connected()) == 1 && len(b.Connected()) == 1 })
	until(t, a, 10*time.Second, "the flood is dropped", func() bool {
		for i := range uint64(flood) {
			if err := b.PublishHeartbeat(t.Context(), prototest.Heartbeat(i)); err != nil {
				t.Fatal(err)
			}
		}
		return a.Traffic().Dropped["rate"] > 0
	})
	for cause, n := range b.Traffic().Dropped {
		if n != 0 && cause != "unsent" { // its line may be slower
			t.Errorf("%d of nobody's were dropped as %s by who sent the flood", n, cause)
		}
	}
}
