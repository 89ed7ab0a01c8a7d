package worker

import (
	"encoding/json"
	"io"
	"sync"
	"time"
)

// flushWait bounds how long a child that ends waits for its last lines to be read.
const flushWait = 2 * time.Second

// maxPiece bounds the text of one line; JSON may write six bytes for one, and a line has at most MaxLine.
const maxPiece = MaxLine / 8

// outbox writes the child's lines in a goroutine of its own, so that a daemon that reads slowly never holds up a step.
// Nothing in it grows without bound: answers by maxOutstanding, text by writer.MaxTokens for each of them, and of progress
// only the newest waits, and one before each answer.
type outbox struct {
	w io.Writer

	mu       sync.Mutex
	queue    []message
	progress *Progress
	waiting  int // requests without a written answer
	closed   bool

	wake chan struct{} // capacity 1
	done chan struct{}
}

func newOutbox(w io.Writer) *outbox {
	o := &outbox{w: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.write()
	return o
}

// expect counts a request that arrived; false when the daemon has too many waiting.
func (o *outbox) expect() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting++
	return o.waiting <= maxOutstanding
}

// answer queues the one answer to request id.
func (o *outbox) answer(id uint64, result any, err error) {
	m := message{ID: id}
	if err != nil {
		m.Error = err.Error()
	} else if result != nil {
		raw, err := json.Marshal(result)
		if err != nil {
			m.Error = err.Error()
		}
		m.Result = raw
	}
	o.put(m)
}

// text adds to the text that request id asked for; pieces that wait together travel in one line.
func (o *outbox) text(id uint64, piece string) {
	o.mu.Lock()
	if n := len(o.queue); n > 0 && o.queue[n-1].Event == eventText && o.queue[n-1].ID == id && len(o.queue[n-1].Text)+len(piece) <= maxPiece {
		o.queue[n-1].Text += piece
	} else {
		o.queue = append(o.queue, message{ID: id, Event: eventText, Text: piece})
	}
	o.mu.Unlock()
	o.stir()
}

// report replaces the progress that waits to be written.
func (o *outbox) report(p Progress) {
	o.mu.Lock()
	o.progress = &p
	o.mu.Unlock()
	o.stir()
}

// fail queues the sentence with which the child gives up.
func (o *outbox) fail(err error) { o.put(message{Event: eventFailed, Error: err.Error()}) }

// put queues m behind the progress that waits: after a capture's answer comes no progress from before it.
func (o *outbox) put(m message) {
	o.mu.Lock()
	if o.progress != nil {
		o.queue = append(o.queue, message{Event: eventProgress, Progress: o.progress})
		o.progress = nil
	}
	o.queue = append(o.queue, m)
	o.mu.Unlock()
	o.stir()
}

func (o *outbox) stir() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) write() {
	defer close(o.done)
	enc := json.NewEncoder(o.w)
	for range o.wake {
		for {
			m, closed, ok := o.next()
			if !ok && closed {
				return
			}
			if !ok {
				break
			}
			// A write fails when the daemon is gone; the reader of stdin sees that too and ends the child.
			if err := enc.Encode(m); err != nil {
				return
			}
		}
	}
}

// next takes the message to write next: answers and text in their order, then progress.
func (o *outbox) next() (m message, closed, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) > 0 {
		m, o.queue = o.queue[0], o.queue[1:]
		if m.Event == "" {
			o.waiting--
		}
		return m, o.closed, true
	}
	if o.progress != nil {
		m = message{Event: eventProgress, Progress: o.progress}
		o.progress = nil
		return m, o.closed, true
	}
	return m, o.closed, false
}

// close writes what waits, for at most flushWait.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.stir()
	timer := time.NewTimer(flushWait)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
	}
}
