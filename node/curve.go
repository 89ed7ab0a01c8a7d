package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	// maxCurve bounds the points that are kept; of more, every other one goes.
	maxCurve = 2048
	// maxHeldout bounds a loss that is believed: a model that knows nothing of a vocabulary of a million has 14 nats.
	maxHeldout = 100
)

// curve is the held-out loss over rounds, one for the swarm: at each snapshot height one member of the roster measures, and
// says so in its heartbeats. It outlives restarts.
type curve struct {
	path string

	mu     sync.Mutex
	points []api.Heldout // rising heights
}

// openCurve reads what was kept. A damaged file is begun anew: peers say their newest points again.
func openCurve(path string) (*curve, error) {
	c := &curve{path: path}
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
func (c *curve) put(p api.Heldout) bool {
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

// add keeps a point.
func (c *curve) add(p api.Heldout) error {
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

// has tells whether there is a point of a height.
func (c *curve) has(height uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.points, func(p api.Heldout) bool { return p.Height == height })
}

// since lists the points above a height.
func (c *curve) since(height uint64) []api.Heldout {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.points, func(p api.Heldout) bool { return p.Height > height })
	if at < 0 {
		return []api.Heldout{}
	}
	return slices.Clone(c.points[at:])
}

// newest is the highest point, nil before there is one.
func (c *curve) newest() *api.Heldout {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.points) == 0 {
		return nil
	}
	p := c.points[len(c.points)-1]
	return &p
}

// turn is the member of a commit's roster that measures its state, by a hash that nobody can choose.
func turn(c round.Commit) (who proto.PeerID) {
	var least proto.ID
	for _, m := range c.Roster {
		draw := proto.Sum(slices.Concat(c.ID[:], []byte("heldout"), []byte(m.Peer)))
		if who == "" || slices.Compare(draw[:], least[:]) < 0 {
			who, least = m.Peer, draw
		}
	}
	return who
}

// measure takes the held-out loss of a snapshot height where it is this node's turn. Private texts say nothing of others'.
func (h *hand) measure(ctx context.Context, c round.Commit) {
	if c.Height%uint64(h.n.manifest.Rounds.SnapshotEvery) != 0 || h.n.manifest.Data.Name == manifest.Private || turn(c) != h.n.self {
		return
	}
	if h.pay(ctx); h.proc == nil || h.rep.Head().ID != c.ID || !h.affordable() {
		return
	}
	copy(h.proc.Vector(), h.rep.Theta())
	loss, err := h.proc.Heldout(ctx)
	if err != nil || math.IsNaN(loss) {
		h.n.log.Warn("The held-out loss was not measured", "height", c.Height, "error", err)
		return
	}
	p := api.Heldout{Height: c.Height, Loss: loss, By: h.n.self}
	h.n.view.set(func(v *viewed) { v.heldout = p })
	h.n.learned(p)
}

// affordable tells whether measuring takes at most a tenth of the time between two snapshot heights: training and rounds
// wait meanwhile, and a node that is too slow lets its turn pass. Reading a token takes about a third of learning from it.
func (h *hand) affordable() bool {
	v, m := h.n.view.get(), h.n.manifest
	tokens := float64(heldoutTokens)
	if m.Data.Name == manifest.Shards {
		tokens = min(tokens, float64(m.Data.Heldout.Tokens))
	}
	return tokens/3 <= v.trainer.TokensPerSec*v.outcome.Seconds*float64(m.Rounds.SnapshotEvery)/10
}

// told takes a point that a peer says it measured, of a commit on this node's branch, where it was that peer's turn. Who
// says more is not heard; a peer says it again for as long as it is its newest.
func (n *Node) told(p api.Heldout) {
	if p.Loss == 0 || p.Height == 0 || p.Height%uint64(n.manifest.Rounds.SnapshotEvery) != 0 || n.curve.has(p.Height) {
		return
	}
	book := n.book.Load()
	c, _ := book.Marks()
	for held := true; held && c.Height > p.Height; {
		c, held = book.Commit(c.Parent)
	}
	if c.Height == p.Height && turn(c) == p.By {
		n.learned(p)
	}
}

// learned keeps a point of the curve.
func (n *Node) learned(p api.Heldout) {
	if err := n.curve.add(p); err != nil {
		n.log.Warn("The curve of held-out losses was not kept", "error", err)
	}
}

// Curve returns the swarm's held-out losses above a height.
func (n *Node) Curve(since uint64) []api.Heldout { return n.curve.since(since) }
