package blob

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
)

// TestBoastCountsOnce has a source that says it is faster than any line, and sends 4 KB a second, take the last leaf off an author of
// 1 Mbit/s: the author takes it back, and keeps it.
func TestBoastCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const boast, honest, trickle = 1 << 60, 125_000, 4_000 // bytes/s
		tree := proto.HashBlob(make([]byte, proto.LeafSize))
		c := &coordinator{f: Fetch{MaxSize: tree.Size}, ready: true, size: tree.Size, done: make([]bool, 1), left: 1, todo: []int{0}}
		offer := func(id peer.ID, rate float64) *source {
			s := &source{id: id, jobs: make(chan job, 1), cancel: func() {}}
			c.active = append(c.active, s)
			if err := c.handle(report{src: s, offer: &offer{tree, rate}}); err != nil {
				t.Fatal(err)
			}
			if len(c.todo) == 0 {
				c.take(s)
			}
			if j, ok := c.next(1); ok {
				s.give(j)
			} else {
				c.dismiss(s)
			}
			return s
		}
		send := func(s *source, rate int64) {
			time.Sleep(2 * time.Second)
			s.moved.Store(2 * rate)
		}
		send(offer("author", 0), honest)
		s := offer("boaster", boast)
		if len(s.todo) == 0 {
			t.Fatal("nobody takes a leaf off a slow source")
		}
		send(s, trickle)
		s = offer("author", honest)
		if len(s.todo) == 0 {
			t.Fatal("the author does not get its leaf back")
		}
		for range 3 {
			send(s, honest)
			if b := offer("boaster", boast); len(b.todo) > 0 || !slices.Equal(s.todo, []int{0}) {
				t.Fatal("who boasted takes the leaf again")
			}
		}
	})
}
