package p2p

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// crowd bounds the streams of a protocol that others opened. Where there are too many, the newest of the peer that has most makes room
// for one of a peer that has fewer: as many keys as somebody likes would keep all others out.
type crowd struct {
	most  int
	begin func() (done func(), ok bool) // of whoever waits for what the crowd does apart

	mu sync.Mutex
	in int
	of map[peer.ID][]network.Stream // the oldest first
}

func newCrowd(most int, begin func() (done func(), ok bool)) *crowd {
	return &crowd{most: most, begin: begin, of: map[peer.ID][]network.Stream{}}
}

// only is a handler for the streams for which there is room.
func (c *crowd) only(h network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) {
		if !c.enter(s) {
			_ = s.Reset()
			return
		}
		defer c.leave(s)
		h(s)
	}
}

func (c *crowd) enter(s network.Stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := s.Conn().RemotePeer()
	if c.in >= c.most {
		var worst peer.ID
		for p, ss := range c.of {
			if len(ss) > len(c.of[worst]) {
				worst = p
			}
		}
		if len(c.of[worst]) <= len(c.of[id])+1 {
			return false
		}
		out := c.of[worst][len(c.of[worst])-1] // the one that has got least yet
		c.remove(worst, out)
		if done, ok := c.begin(); ok { // who closes resets all
			go func() { defer done(); _ = out.Reset() }() // over TCP that may wait for the peer to read
		}
	}
	c.in++
	c.of[id] = append(c.of[id], s)
	return true
}

func (c *crowd) leave(s network.Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(s.Conn().RemotePeer(), s)
}

func (c *crowd) remove(id peer.ID, s network.Stream) {
	i := slices.Index(c.of[id], s)
	if i < 0 {
		return // it made room
	}
	c.in--
	if c.of[id] = slices.Delete(c.of[id], i, i+1); len(c.of[id]) == 0 {
		delete(c.of, id)
	}
}
