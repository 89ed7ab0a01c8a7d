// Package event is a node's bounded diary: what happened, in words that a
// newcomer follows, for the views of the node to read.
//
// It keeps the newest events only and never blocks whoever writes. It must not
// know what the events mean.
package event

import (
	"log/slog"
	"sync"
	"time"
)

// kept is how many events a Log holds; an hour of a busy small swarm.
const kept = 512

// Kind tells views what an event is about.
type Kind string

// The kinds of events.
const (
	Round   Kind = "round"
	Peer    Kind = "peer"
	Trainer Kind = "trainer"
	Chain   Kind = "chain"
	Node    Kind = "node"
)

// Event is one line of the diary.
type Event struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Kind   Kind      `json:"kind"`
	Height uint64    `json:"height,omitempty"`
	Text   string    `json:"text"`
}

// Log holds the newest events, and passes each to a logger. It may be used
// concurrently.
type Log struct {
	logger *slog.Logger

	mu     sync.Mutex
	last   uint64
	events []Event
}

// New makes a Log.
func New(logger *slog.Logger) *Log { return &Log{logger: logger} }

// Add writes an event.
func (l *Log) Add(kind Kind, height uint64, text string) {
	l.logger.Info("Event", "kind", string(kind), "text", text)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.events = append(l.events, Event{Seq: l.last, Time: time.Now(), Kind: kind, Height: height, Text: text})
	if len(l.events) > kept {
		l.events = append(l.events[:0], l.events[len(l.events)-kept:]...)
	}
}

// Since returns the events after a sequence number, oldest first.
func (l *Log) Since(seq uint64) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range l.events {
		if e.Seq > seq {
			return append([]Event(nil), l.events[i:]...)
		}
	}
	return nil
}
