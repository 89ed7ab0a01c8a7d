package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	// maxCurve bounds the points that are kept; of more, every other one goes.
	maxCurve = 2048
	// maxHeldout bounds a loss that is believed: a model that knows nothing of a vocabulary of a million has 14 nats.
	maxHeldout = 100
)

// Curve is the held-out loss over rounds, one for the swarm: at each snapshot height one member of the roster measures, and
// says so in its heartbeats. It outlives restarts.
type Curve struct {
	path string

	mu     sync.Mutex
	points []api.Heldout // rising heights
}

// OpenCurve reads what was kept. A damaged file is begun anew: peers say their newest points again.
func OpenCurve(path string) (*Curve, error) {
	c := &Curve{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the curve of held-out losses: %w", err)
	}
	var points []api.Heldout
	if json.Unmarshal(b, &points) == nil {
		for _, p := range points {
			c.put(p)
		}
	}
	return c, nil
}

// put takes a point that is new and can be true; of two for a height the first stays.
func (c *Curve) put(p api.Heldout) bool {
	if !(p.Loss > 0 && p.Loss < maxHeldout) {
		return false
	}
	at, known := slices.BinarySearchFunc(c.points, p.Height, func(q api.Heldout, h uint64) int { return int(min(max(int64(q.Height)-int64(h), -1), 1)) })
	if known {
		return false
	}
	if c.points = slices.Insert(c.points, at, p); len(c.points) > maxCurve {
		thin := c.points[:0]
		for i, q := range c.points {
			if i%2 == 0 || i == len(c.points)-1 {
				thin = append(thin, q)
			}
		}
		c.points = thin
	}
	return true
}

// Add keeps a point.
func (c *Curve) Add(p api.Heldout) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.put(p) {
		return nil
	}
	b, err := json.Marshal(c.points)
	if err != nil {
		return err
	}
	return atomicfile.Write(c.path, b, 0o600)
}

// Has tells whether there is a point of a height.
func (c *Curve) Has(height uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.points, func(p api.Heldout) bool { return p.Height == height })
}

// Since lists the points above a height.
func (c *Curve) Since(height uint64) []api.Heldout {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.points, func(p api.Heldout) bool { return p.Height > height })
	if at < 0 {
		return []api.Heldout{}
	}
	return slices.Clone(c.points[at:])
}

// Newest is the highest point, nil before there is one.
func (c *Curve) Newest() *api.Heldout {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.points) == 0 {
		return nil
	}
	p := c.points[len(c.points)-1]
	return &p
}
