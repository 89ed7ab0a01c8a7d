package gossip

import (
	"context"
	"sync"
)

// maxInbox messages wait for the node: a minute of heartbeats of 32 peers.
const maxInbox = 512

// inbox is a bounded queue between gossip and the node. When it is full the
// oldest heartbeat goes first: the next one replaces it, while an update or a
// commit must be asked for again.
type inbox struct {
	mu      sync.Mutex
	queue   []Message
	wake    chan struct{}
	out     chan Message
	dropped *drops
}

func newInbox(d *drops) *inbox {
	return &inbox{dropped: d, wake: make(chan struct{}, 1), out: make(chan Message)}
}

func (b *inbox) push(m Message) {
	b.mu.Lock()
	if len(b.queue) >= maxInbox {
		oldest := 0
		for i := range b.queue {
			if b.queue[i].Heartbeat != nil {
				oldest = i
				break
			}
		}
		b.queue = append(b.queue[:oldest], b.queue[oldest+1:]...)
		b.dropped.add(unread)
	}
	b.queue = append(b.queue, m)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) pop() (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return Message{}, false
	}
	m := b.queue[0]
	b.queue[0] = Message{}
	b.queue = b.queue[1:]
	return m, true
}

// pump hands messages out until ctx ends.
func (b *inbox) pump(ctx context.Context) {
	for {
		m, ok := b.pop()
		if !ok {
			select {
			case <-b.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case b.out <- m:
		case <-ctx.Done():
			return
		}
	}
}
