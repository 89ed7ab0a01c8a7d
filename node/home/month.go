package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// Month counts what crosses the line in a calendar month, across restarts.
type Month struct {
	path string
	mu   sync.Mutex
	used traffic
	seen traffic // of the network's counts
}

type traffic struct {
	api.Usage
	Drawn uint64 `json:"drawn"` // bytes of them that peers who take no part fetched of this node's files
}

// Month reads what was counted before.
func (d Dir) Month() (*Month, error) {
	m := &Month{path: d.Path("usage.json")}
	b, err := os.ReadFile(m.path)
	if err == nil {
		err = json.Unmarshal(b, &m.used)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the month's traffic cannot be read; remove %s to begin anew: %w", m.path, err)
	}
	return m, nil
}

// Count adds what the network has carried in all, and what strangers drew of it, and tells what the month has seen. A clock
// that was set back begins no month, but where it had been more than a month ahead. An error says that the disk did not take it.
func (m *Month) Count(total, drawn uint64, now time.Time) (used api.Usage, their uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.used
	next := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, now.Location()).Format("2006-01")
	if month := now.Format("2006-01"); month > m.used.Month || m.used.Month > next {
		m.used = traffic{Usage: api.Usage{Month: month}}
	}
	m.used.Bytes += total - m.seen.Bytes
	m.used.Drawn += drawn - m.seen.Drawn
	m.seen = traffic{Usage: api.Usage{Bytes: total}, Drawn: drawn}
	if m.used != before {
		var b []byte
		if b, err = json.Marshal(m.used); err == nil {
			err = atomicfile.Write(m.path, append(b, '\n'), 0o600)
		}
	}
	return m.used.Usage, m.used.Drawn, err
}
