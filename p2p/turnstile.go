package p2p

import (
	"context"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// turnstile lets few pass at once, and fewer of each peer. The zero turnstile lets nobody.
type turnstile struct {
	all, each int // most at once, and of one peer

	mu   sync.Mutex
	in   int
	of   map[peer.ID]int
	left chan struct{} // closed and made anew whenever one leaves
}

func newTurnstile(all, each int) *turnstile {
	return &turnstile{all: all, each: each, of: map[peer.ID]int{}, left: make(chan struct{})}
}

// try lets a peer pass, who leaves again, where there is room; else left is closed when somebody leaves.
func (t *turnstile) try(id peer.ID) (left <-chan struct{}, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.in >= t.all || t.of[id] >= t.each {
		return t.left, false
	}
	t.in++
	t.of[id]++
	return nil, true
}

// enter waits until a peer may pass, who leaves again.
func (t *turnstile) enter(ctx context.Context, id peer.ID) error {
	for {
		left, ok := t.try(id)
		if ok {
			return nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *turnstile) leave(id peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in--
	if t.of[id]--; t.of[id] == 0 {
		delete(t.of, id)
	}
	close(t.left)
	t.left = make(chan struct{})
}
