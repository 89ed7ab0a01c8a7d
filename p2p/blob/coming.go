package blob

import (
	"sync"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// coming knows which blobs are being fetched, so that peers who ask for one can wait for it,
// and how fast the last maxCame blobs came.
type coming struct {
	mu    sync.Mutex
	ids   map[proto.ID]chan struct{} // blobs under way, each with a channel that closes at its end
	came  []proto.ID                 // blobs that came, the oldest first
	paces map[proto.ID]uint64        // bytes/s at which a blob came, waiting included
}

// maxCame is two rounds' payloads of 64 nodes, the most that a commit lists by default.
const maxCame = 128

// begin notes that a blob is being fetched, until end is called with its size, 0 if it did
// not come.
func (c *coming) begin(id proto.ID) (end func(size uint64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids[id] != nil {
		return func(uint64) {}
	}
	if c.ids == nil {
		c.ids, c.paces = make(map[proto.ID]chan struct{}), make(map[proto.ID]uint64)
	}
	over, began := make(chan struct{}), time.Now()
	c.ids[id] = over
	return func(size uint64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ids, id)
		close(over)
		if size == 0 {
			return
		}
		if c.paces[id] == 0 {
			c.came = append(c.came, id)
		}
		c.paces[id] = max(1, uint64(float64(size)/max(time.Since(began), time.Millisecond).Seconds()))
		if len(c.came) > maxCame {
			delete(c.paces, c.came[0])
			c.came = c.came[1:]
		}
	}
}

// pace is how fast a blob came; 0 for one that began here.
func (c *coming) pace(id proto.ID) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paces[id]
}

// of is closed when a blob that is being fetched is here, or is given up; nil if it is not.
func (c *coming) of(id proto.ID) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[id]
}
