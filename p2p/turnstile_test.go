package p2p

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestTurnstile: no peer passes more often at once than its share, whoever waits passes when somebody leaves, and who gives up
// leaves no trace.
func TestTurnstile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(3, 2)
		passed := map[peer.ID]int{}
		pass := func(ctx context.Context, id peer.ID) {
			go func() {
				if s.enter(ctx, id) == nil {
					passed[id]++ // one at a time
				}
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 4 {
			pass(ctx, "greedy")
		}
		pass(t.Context(), "other")
		pass(t.Context(), "last")
		if passed["greedy"] != 2 || passed["other"] != 1 || passed["last"] != 0 {
			t.Errorf("passed: %v", passed)
		}
		cancel()
		synctest.Wait()
		s.leave("other")
		synctest.Wait()
		if passed["greedy"] != 2 || passed["last"] != 1 {
			t.Errorf("passed when one had left: %v", passed)
		}
		s.leave("greedy")
		pass(t.Context(), "greedy")
		if passed["greedy"] != 3 {
			t.Error("who has left does not pass again")
		}
		for _, id := range []peer.ID{"greedy", "greedy", "last"} {
			s.leave(id)
		}
		if s.in != 0 || len(s.of) != 0 {
			t.Errorf("%d are in when all have left, of %v", s.in, s.of)
		}
	})
}
