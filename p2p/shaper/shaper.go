// Package shaper keeps what a node sends, or takes in, under a rate.
//
// A Shaper hands out bytes at the rate: what belongs to the round under way before
// all else, and to each peer in turn, so that none starves the others. Traffic that
// cannot wait is charged afterwards, and what can wait makes room for it. It
// guarantees that over any span the bytes handed out and charged stay under the
// rate but for a tenth of a second's worth and one portion, as long as what cannot
// wait alone does. It knows peers by their names alone, and must not know protocols or
// sockets.
package shaper

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Class says what goes first.
type Class int

// The classes, the most urgent first.
const (
	Round   Class = iota // payloads that a round waits for
	Bulk                 // snapshots, token shards, weights
	Classes              // how many there are
)

const (
	// burst is how much may go at once after a pause, in seconds of the rate.
	burst = 0.1
	// deepest is the largest debt, in seconds of the rate: traffic that cannot wait stops the rest for no longer.
	deepest = 2.0
)

// Shaper hands out bytes. The zero value is without a limit.
type Shaper struct {
	mu      sync.Mutex
	rate    float64 // bytes/s; 0: no limit
	tokens  float64 // bytes that may go now; below 0: a debt
	at      time.Time
	waiting [Classes][]*line
	timer   *time.Timer
}

// line is what one peer waits for.
type line struct {
	peer  string
	queue []*portion
}

type portion struct {
	bytes int
	ready chan struct{} // closed when the portion may go
}

// SetRate changes the rate, in bytes a second; 0 is no limit. It counts at once.
func (s *Shaper) SetRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill()
	s.rate = max(rate, 0)
	s.tokens = min(s.tokens, burst*s.rate)
	s.hand()
}

// Rate is the limit in bytes a second; 0 is none.
func (s *Shaper) Rate() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rate
}

// Wait returns when so many bytes may go to a peer, or ctx ends.
func (s *Shaper) Wait(ctx context.Context, c Class, peer string, bytes int) error {
	s.mu.Lock()
	if s.rate == 0 {
		s.mu.Unlock()
		return nil
	}
	p := &portion{bytes, make(chan struct{})}
	l := s.line(c, peer)
	l.queue = append(l.queue, p)
	s.refill()
	s.hand()
	s.mu.Unlock()
	select {
	case <-p.ready:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		l.queue = slices.DeleteFunc(l.queue, func(o *portion) bool { return o == p })
		return ctx.Err()
	}
}

// Charge counts bytes that have gone without waiting.
func (s *Shaper) Charge(bytes float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rate > 0 {
		s.refill()
		s.tokens = max(s.tokens-bytes, -deepest*s.rate)
	}
}

func (s *Shaper) line(c Class, peer string) *line {
	for _, l := range s.waiting[c] {
		if l.peer == peer {
			return l
		}
	}
	l := &line{peer: peer}
	s.waiting[c] = append(s.waiting[c], l)
	return l
}

func (s *Shaper) refill() {
	now := time.Now()
	if s.rate > 0 && !s.at.IsZero() {
		s.tokens = min(s.tokens+s.rate*now.Sub(s.at).Seconds(), burst*s.rate)
	}
	s.at = now
}

// hand lets portions go as far as the tokens reach; one may overdraw them.
func (s *Shaper) hand() {
	for s.rate == 0 || s.tokens > 0 {
		p := s.next()
		if p == nil {
			return
		}
		s.tokens -= float64(p.bytes)
		close(p.ready)
	}
	if !s.waits() {
		return
	}
	wait := time.Duration(-s.tokens/s.rate*float64(time.Second)) + time.Millisecond
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refill()
			s.hand()
		})
		return
	}
	s.timer.Reset(wait)
}

// next takes the first portion of the peer whose turn it is, in the most urgent class.
func (s *Shaper) next() *portion {
	for c := range s.waiting {
		for len(s.waiting[c]) > 0 {
			l := s.waiting[c][0]
			s.waiting[c] = s.waiting[c][1:]
			if len(l.queue) == 0 {
				continue
			}
			p := l.queue[0]
			if l.queue = l.queue[1:]; len(l.queue) > 0 {
				s.waiting[c] = append(s.waiting[c], l)
			}
			return p
		}
	}
	return nil
}

func (s *Shaper) waits() bool {
	return slices.ContainsFunc(s.waiting[:], func(ls []*line) bool {
		return slices.ContainsFunc(ls, func(l *line) bool { return len(l.queue) > 0 })
	})
}
