package worker

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// lineWriter calls line for every whole line written to it, without its end. After a line over limit or one that line
// refuses, it calls broken, once, and takes no more.
type lineWriter struct {
	limit  int
	line   func([]byte) error
	broken func(error)
	held   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n, err := w.write(p)
	if err != nil {
		w.broken(err)
	}
	return n, err
}

func (w *lineWriter) write(p []byte) (int, error) {
	n := len(p)
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			break
		}
		whole := p[:end]
		if len(w.held) > 0 {
			whole = append(w.held, whole...)
			w.held = w.held[:0]
		}
		if len(whole) > w.limit {
			return 0, overlong(w.limit)
		}
		if err := w.line(whole); err != nil {
			return 0, err
		}
		p = p[end+1:]
	}
	if len(w.held)+len(p) > w.limit {
		return 0, overlong(w.limit)
	}
	w.held = append(w.held, p...)
	return n, nil
}

func overlong(limit int) error {
	return fmt.Errorf("a control line is longer than %d bytes", limit)
}

const (
	tailLines = 40   // lines of the child's stderr that are kept
	tailWidth = 500  // bytes kept of each
	tailTold  = 3    // lines told in an error that has no better one
	tailLimit = 8192 // bytes after which a line without an end is taken as one
)

// tail keeps the last lines of a child's stderr, and the first one with which the Go runtime or XLA gave up: a dump of
// hundreds of lines follows that one.
type tail struct {
	mu    sync.Mutex
	held  []byte
	lines []string // a ring; next is the oldest once it is full
	next  int
	fatal string
	each  func(string)
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = append(t.held, p...)
	for {
		end := bytes.IndexByte(t.held, '\n')
		if end < 0 && len(t.held) < tailLimit {
			return len(p), nil
		}
		if end < 0 {
			end = len(t.held) - 1
		}
		t.keep(strings.TrimRight(string(t.held[:end]), "\r"))
		t.held = t.held[:copy(t.held, t.held[end+1:])]
	}
}

func (t *tail) keep(line string) {
	if len(line) > tailWidth {
		line = line[:tailWidth]
	}
	if strings.TrimSpace(line) == "" {
		return
	}
	t.each(line)
	if t.fatal == "" && (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.Contains(line, "Check failed: ")) {
		t.fatal = line
	}
	if len(t.lines) < tailLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % tailLines
}

// last is what to tell of it in one line: the fatal line if there is one, else the last few; empty if nothing was written.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.held) > 0 {
		t.keep(string(t.held))
		t.held = nil
	}
	if t.fatal != "" {
		return t.fatal
	}
	ordered := append(t.lines[t.next:len(t.lines):len(t.lines)], t.lines[:t.next]...)
	return strings.Join(ordered[max(0, len(ordered)-tailTold):], "; ")
}
