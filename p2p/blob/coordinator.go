package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/proto"
)

const (
	// lookEvery is how often a fetch looks for a source that keeps the others waiting.
	lookEvery = 500 * time.Millisecond
	// alsoAsk is how long the first source is asked alone: a fast line has sent a round's
	// payload by then, and over a slow one it may come sooner from who got it before.
	alsoAsk = 250 * time.Millisecond
	// maxLater bounds how often in a row a source may take its offer back.
	maxLater = 3
)

// coordinator shares one blob's leaves out among sources. It alone touches its
// fields; sources send it reports.
type coordinator struct {
	x       *Exchange
	f       Fetch
	part    *part
	small   bool      // whether the blob is sent without an offer
	late    bool      // whether alsoAsk is over
	rest    []peer.ID // sources that were not asked yet
	resting []resting // sources to ask again later
	active  []*source
	reports chan report
	wg      sync.WaitGroup

	ready bool        // whether the leaves are known
	tree  *proto.Tree // leaf hashes; nil for a blob of one leaf and known size
	size  uint64
	done  []bool
	left  int
	todo  []int // leaves that no source works on, ascending
	said  []said
	seen  map[peer.ID]float64 // bytes/s at which a source sent whose job another took
}

// said is a source's reason for being given up.
type said struct {
	id  peer.ID
	err error
}

func (c *coordinator) run(ctx context.Context) error {
	if c.small {
		c.begin(nil, c.f.Size)
	}
	also := time.NewTimer(alsoAsk)
	defer also.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !c.ready || c.left > 0 {
		c.again(time.Now())
		c.unreached(time.Now())
		c.share(ctx)
		if len(c.active) == 0 {
			return c.failure()
		}
		select {
		case <-also.C:
			c.late = true
		case <-look.C:
		case r := <-c.reports:
			if err := c.handle(r); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), c.failure())
		}
	}
	return nil
}

// begin makes the list of leaves, without those that an earlier run left.
func (c *coordinator) begin(tree *proto.Tree, size uint64) {
	c.ready, c.tree, c.size = true, tree, size
	c.done = make([]bool, proto.LeafCount(size))
	buf := make([]byte, min(proto.LeafSize, size))
	have := c.part.size()
	for i := range c.done {
		if uint64(i)*proto.LeafSize+leafSize(i, size) <= have {
			b, err := c.part.read(i, size, buf)
			c.done[i] = err == nil && verify(c.f.ID, tree, i, b)
		}
		if !c.done[i] {
			c.todo = append(c.todo, i)
		}
	}
	c.left = len(c.todo)
}

// handle takes a report in; an error ends the fetch.
func (c *coordinator) handle(r report) error {
	switch {
	case r.disk != nil:
		return r.disk
	case r.open:
		r.src.open, r.src.since = true, time.Now()
	case r.offer != nil:
		o := r.offer
		if o.tree.Size > c.f.MaxSize || c.f.Size != 0 && o.tree.Size != c.f.Size {
			return fmt.Errorf("it has %d bytes, announced were %d (0 = any) and at most %d are allowed", o.tree.Size, c.f.Size, c.f.MaxSize)
		}
		r.src.offered, r.src.rate = true, o.rate
		if was, ok := c.seen[r.src.id]; ok && (o.rate == 0 || o.rate > was) {
			r.src.rate = was // what a source says of itself counts once, or it could take a leaf from a slow one again and again
		}
		if !c.ready {
			c.begin(&o.tree, o.tree.Size)
		}
	case r.later:
		c.giveBack(r.src)
		r.src.busy, r.src.offered, r.src.todo = false, false, nil
		if r.src.later++; r.src.later > maxLater {
			c.out(r.src, errLater)
		}
	case r.leaf > 0:
		i := r.leaf - 1
		if d := time.Since(r.src.since); d > 0 {
			r.src.rate = float64(r.src.moved.Load()) / d.Seconds()
		}
		r.src.later = 0
		r.src.todo = slices.DeleteFunc(r.src.todo, func(k int) bool { return k == i })
		c.todo = slices.DeleteFunc(c.todo, func(k int) bool { return k == i }) // a slow source was faster in the end
		if !c.done[i] {
			c.done[i] = true
			c.left--
		}
	case r.slow:
		if !r.src.slow {
			r.src.slow = true
			c.giveBack(r.src)
		}
	case r.err != nil:
		c.out(r.src, r.err)
	default: // the job is done
		r.src.busy, r.src.slow = false, false
	}
	return nil
}

// out notes that a source failed.
func (c *coordinator) out(s *source, err error) {
	if !slices.Contains(c.active, s) {
		return // it was dismissed
	}
	s.cancel()
	c.said = append(slices.DeleteFunc(c.said, func(o said) bool { return o.id == s.id }), said{s.id, err})
	if absent := errors.Is(err, fs.ErrNotExist); absent || errors.Is(err, errLater) {
		c.resting = append(c.resting, resting{s.id, time.Now(), true})
	}
	c.active = slices.DeleteFunc(c.active, func(o *source) bool { return o == s })
	c.giveBack(s)
	s.todo = nil
}

// failure says in one line what is missing and what each source said.
func (c *coordinator) failure() error {
	what := "its list of leaves did not come"
	if c.ready {
		what = fmt.Sprintf("%d of %d leaves are missing", c.left, len(c.done))
	}
	absent := len(c.said) > 0
	var words []string
	for _, s := range c.said {
		absent = absent && errors.Is(s.err, fs.ErrNotExist)
		words = append(words, proto.PeerID(s.id).Short()+": "+strings.ReplaceAll(s.err.Error(), "\n", ", "))
	}
	if len(words) > 0 {
		what += " (" + strings.Join(words, "; ") + ")"
	}
	if absent {
		return absentError(what)
	}
	return errors.New(what)
}
