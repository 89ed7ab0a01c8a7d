package corpus

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/murmurnet/murmur/proto"
)

// Whatever comes, in whatever order and how often: no text is on both sides, what is held out is that of lowest hash, and
// nothing else is lost.
func TestHeldout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := heldout{capacity: rapid.IntRange(1, 200).Draw(t, "capacity"), held: map[proto.ID]*held{}}
		came, trained := map[int32]int{}, map[int32]int{}
		train := func(tokens []int32) error {
			for _, n := range tokens {
				trained[n]++
			}
			return nil
		}
		hash := func(n int32) proto.ID { return proto.Sum(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
		for _, n := range rapid.SliceOfN(rapid.Int32Range(0, 60), 1, 400).Draw(t, "pieces") {
			came[n]++
			// Piece n is n%7+1 tokens, each n: so every token tells its piece.
			if err := h.offer(hash(n), slices.Repeat([]int32{n}, int(n%7+1)), train); err != nil {
				t.Fatal(err)
			}
			if most := h.capacity + 7; h.tokens > most {
				t.Fatalf("%d tokens in memory, capacity %d", h.tokens, h.capacity)
			}
		}
		beforeTail := map[int32]int{}
		for n, count := range trained {
			beforeTail[n] = count
		}
		held, copies, err := h.finish(train)
		if err != nil {
			t.Fatal(err)
		}
		if len(held) > h.capacity {
			t.Fatalf("%d tokens held out, capacity %d", len(held), h.capacity)
		}
		var order []int32
		for n := range came {
			order = append(order, n)
		}
		slices.SortFunc(order, func(a, b int32) int { x, y := hash(a), hash(b); return slices.Compare(x[:], y[:]) })
		var want []int32
		left := uint64(0)
		for _, n := range order {
			if len(want) >= h.capacity {
				if got := trained[n]; got != came[n]*int(n%7+1) {
					t.Fatalf("piece %d came %d times, %d tokens of it are trained on", n, came[n], got)
				}
				continue
			}
			if beforeTail[n] > 0 {
				t.Fatalf("piece %d is on both sides", n)
			}
			want = append(want, slices.Repeat([]int32{n}, int(n%7+1))...)
			left += uint64(came[n] - 1)
		}
		if want = want[:min(len(want), h.capacity)]; !slices.Equal(held, want) || copies != left {
			t.Fatalf("held out %v and left out %d, want %v and %d", held, copies, want, left)
		}
	})
}
