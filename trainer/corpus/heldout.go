package corpus

import (
	"bytes"
	"container/heap"
	"slices"

	"github.com/murmurnet/murmur/proto"
)

const (
	// MaxHeldout bounds what is held out, in tokens: it is held in memory until the end.
	MaxHeldout = 4 << 20
	// usualHeldout is enough for a loss to three digits: 1Mi tokens of a standard deviation of about 3 nats give 0.003.
	usualHeldout = 1 << 20
	// bytesPerHeldout makes the usual amount about a hundredth of a small corpus: at two to four bytes a token, one token
	// for 200 bytes is 1 to 2 % of it, or half a percent where bytes are tokens.
	bytesPerHeldout = 200
)

// heldout keeps the pieces of lowest hash: an even sample of the whole corpus, whose size is known without knowing the
// corpus's, and that depends neither on order nor, since equal texts have equal hashes, on how often a text comes.
//
// No text is on both sides: the highest hash that is held only ever falls once enough is held, so that a text which was
// let go, or never taken, is not taken later; and copies of a held text go where it goes.
type heldout struct {
	capacity int // tokens
	tokens   int
	byHash   highest
	held     map[proto.ID]*held
}

type held struct {
	id     proto.ID
	tokens []int32
	copies uint64 // beside this one
}

// highest is a heap with the highest hash on top.
type highest []*held

func (h highest) Len() int           { return len(h) }
func (h highest) Less(i, j int) bool { return bytes.Compare(h[i].id[:], h[j].id[:]) > 0 }
func (h highest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for package heap.
func (h *highest) Push(x any) { *h = append(*h, x.(*held)) }

// Pop is for package heap.
func (h *highest) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return x
}

// offer takes a piece, or gives it, or one that it has to let go, to train.
func (h *heldout) offer(id proto.ID, tokens []int32, train func([]int32) error) error {
	if p := h.held[id]; p != nil {
		p.copies++
		return nil
	}
	if h.tokens >= h.capacity && bytes.Compare(id[:], h.byHash[0].id[:]) > 0 {
		return train(tokens)
	}
	p := &held{id: id, tokens: slices.Clone(tokens)}
	h.held[id] = p
	heap.Push(&h.byHash, p)
	h.tokens += len(tokens)
	for top := h.byHash[0]; h.tokens-len(top.tokens) >= h.capacity; top = h.byHash[0] {
		heap.Pop(&h.byHash)
		delete(h.held, top.id)
		h.tokens -= len(top.tokens)
		for range top.copies + 1 {
			if err := train(top.tokens); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish returns the tokens that are held out, by hash, and how many copies of them were left out. What does not fit of
// the last one, if it has no copies, is trained on.
func (h *heldout) finish(train func([]int32) error) (tokens []int32, copies uint64, err error) {
	slices.SortFunc(h.byHash, func(a, b *held) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, p := range h.byHash {
		tokens = append(tokens, p.tokens...)
		copies += p.copies
	}
	if len(tokens) > h.capacity {
		tokens, err = tokens[:h.capacity], train(tokens[h.capacity:])
	}
	return tokens, copies, err
}
