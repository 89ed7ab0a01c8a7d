package lab

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/proto"
)

// watch is the time between two looks of a bench at its swarm.
const watch = 50 * time.Millisecond

// swarm is a bench's daemons on this machine.
type swarm struct {
	exe, backend, dir string
	id                proto.ID
	nodes             []*daemon
	down              []*daemon // ended or frozen on purpose
}

// foundSwarm makes the directories of n nodes.
func foundSwarm(exe, backend string, m manifest.Manifest, n int) (*swarm, error) {
	raw, id, err := m.Encode()
	if err != nil {
		return nil, err
	}
	s := &swarm{exe: exe, backend: backend, id: id}
	if s.dir, err = os.MkdirTemp("", "murmur-bench-"); err != nil {
		return nil, fmt.Errorf("making a place for the bench: %w", err)
	}
	for i := range n {
		name := string(rune('A' + i))
		d := &daemon{name: name, dir: home.Dir(filepath.Join(s.dir, name))}
		if d.peer, err = founding.Found(d.dir, raw); err != nil {
			return nil, errors.Join(err, os.RemoveAll(s.dir))
		}
		s.nodes = append(s.nodes, d)
	}
	return s, nil
}

// begin starts all nodes and lets them train once all are connected, so that the first round has all of them.
func (s *swarm) begin(ctx context.Context) error {
	for i, d := range s.nodes {
		if err := s.start(d); err != nil {
			return err
		}
		if i > 0 {
			continue // these start together
		}
		if err := s.until(ctx, readyLimit, func() bool { return d.known && d.state.Link != "" }); err != nil {
			return fmt.Errorf("starting node %s: %w", d.name, err)
		}
	}
	if err := s.until(ctx, readyLimit, func() bool {
		return s.all(func(d *daemon) bool { return d.known })
	}); err != nil {
		return fmt.Errorf("starting %d nodes: %w", len(s.nodes), err)
	}
	for _, d := range s.nodes {
		if _, err := d.client.Pause(ctx, "", true); err != nil {
			return fmt.Errorf("holding node %s: %w", d.name, err)
		}
	}
	if err := s.until(ctx, readyLimit, func() bool {
		return s.all(func(d *daemon) bool { return d.state.Trainer.Up && d.connected() == len(s.nodes)-1 })
	}); err != nil {
		return fmt.Errorf("the nodes are not ready to train: %w", err)
	}
	for _, d := range s.nodes {
		if _, err := d.client.Resume(ctx); err != nil {
			return fmt.Errorf("releasing node %s: %w", d.name, err)
		}
	}
	return s.settled(ctx)
}

// start starts a node with the addresses of one that runs, as a join link would give it.
func (s *swarm) start(d *daemon) error {
	args := []string{"--host", "127.0.0.1", "--port", "0", "--no-mdns", "--page", cmp.Or(d.page, "off"), "--backend", s.backend}
	known := slices.IndexFunc(s.nodes, func(o *daemon) bool { return o != d && o.running() && !o.frozen && o.state.Link != "" })
	if known >= 0 {
		for _, a := range addrsOf(s.nodes[known].state.Link) {
			args = append(args, "--bootstrap", a)
		}
	}
	return d.start(s.exe, args, nil)
}

// settled waits until all nodes train on one head and the newest round has an update of each.
func (s *swarm) settled(ctx context.Context) error {
	err := s.until(ctx, settleLimit, func() bool {
		return s.all(func(d *daemon) bool {
			last := d.state.Round.Last
			return d.known && d.state.Trainer.Up && d.state.Head.ID == s.nodes[0].state.Head.ID &&
				d.state.Round.Active == len(s.nodes) && len(last.Included) == len(s.nodes) && last.Height == d.state.Head.Height
		})
	})
	if err != nil {
		return fmt.Errorf("not all nodes train together: %w", err)
	}
	return nil
}

// until looks at all nodes until a condition holds. A node that ended without being made to is an error.
func (s *swarm) until(ctx context.Context, limit time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited in vain for %v", limit))
	defer cancel()
	for {
		s.look(ctx)
		if ok() {
			return nil
		}
		if lost := s.lost(); len(lost) > 0 {
			return fmt.Errorf("node %s ended by itself; see %s", lost[0].name, lost[0].log())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(watch):
		}
	}
}

// look reads all nodes' states at once.
func (s *swarm) look(ctx context.Context) {
	var looks sync.WaitGroup
	for _, d := range s.nodes {
		looks.Go(func() { d.look(ctx) })
	}
	looks.Wait()
}

// lost are the nodes whose process ended though nobody here ended it.
func (s *swarm) lost() (ds []*daemon) {
	for _, d := range s.nodes {
		if d.cmd != nil && !d.running() && !slices.Contains(s.down, d) {
			ds = append(ds, d)
		}
	}
	return ds
}

// height is the newest that any node has.
func (s *swarm) height() (h uint64) {
	for _, d := range s.nodes {
		h = max(h, d.state.Head.Height)
	}
	return h
}

// above waits until all nodes have a height.
func (s *swarm) above(ctx context.Context, height uint64, limit time.Duration) error {
	err := s.until(ctx, limit, func() bool {
		return s.all(func(d *daemon) bool { return d.state.Head.Height >= height })
	})
	if err != nil {
		return fmt.Errorf("the swarm does not come to round %d: %w", height, err)
	}
	return nil
}

// name is a peer's.
func (s *swarm) name(p proto.PeerID) string {
	i := slices.IndexFunc(s.nodes, func(d *daemon) bool { return d.peer == p })
	if i < 0 {
		return p.Short()
	}
	return s.nodes[i].name
}

func (s *swarm) all(ok func(*daemon) bool) bool {
	return !slices.ContainsFunc(s.nodes, func(d *daemon) bool { return !ok(d) })
}

// turn is the node whose turn it is to close a height first, as node/round ranks them.
func (s *swarm) turn(height uint64) *daemon {
	return slices.MinFunc(s.nodes, func(a, b *daemon) int {
		draw := func(d *daemon) []byte {
			id := proto.Sum(append(binary.BigEndian.AppendUint64(slices.Clone(s.id[:]), height), d.peer...))
			return id[:]
		}
		return slices.Compare(draw(a), draw(b))
	})
}

// finish ends all nodes after err, without goodbyes, and removes their directories, unless their logs may say why.
func (s *swarm) finish(err error) error {
	for _, d := range s.nodes {
		if d.running() {
			d.kill()
		}
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	return fmt.Errorf("%w; the nodes' logs are in %s", err, s.dir)
}

// Spread is the middle and the worst of some measurements.
type Spread struct {
	Median float64 `json:"median"`
	Worst  float64 `json:"worst"`
}

// spreadOf summarises; without measurements both are 0.
func spreadOf(xs []float64) Spread {
	if len(xs) == 0 {
		return Spread{}
	}
	xs = slices.Sorted(slices.Values(xs))
	return Spread{Median: millis((xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2), Worst: millis(xs[len(xs)-1])}
}

// millis rounds seconds to what is worth printing.
func millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }
