package p2p

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
	// askAgain is how long a source is believed that does not have the blob, while
	// another one is at it: what is wanted here is wanted there, too.
	askAgain = time.Second
	// reachSoon is how long a peer may take to be reached before the next is asked
	// as well: one behind a router that lets nobody in takes dialTimeout.
	reachSoon = time.Second
)

// Fetch says which blob to get, from whom, and where to put it.
type Fetch struct {
	ID      proto.ID
	Size    uint64 // 0 = unknown
	MaxSize uint64 // a larger blob is refused; at most proto.MaxBlob
	Path    string // what is not finished yet lies in Path.part
	// Sources are asked in this order, those that are connected first, as many at
	// once as there is work for and at most four.
	Sources []proto.PeerID
}

func (f Fetch) validate() error {
	switch {
	case f.Path == "":
		return errors.New("no path")
	case f.MaxSize == 0 || f.MaxSize > proto.MaxBlob:
		return fmt.Errorf("a limit of %d bytes, want 1 to %d", f.MaxSize, uint64(proto.MaxBlob))
	case f.Size > f.MaxSize:
		return fmt.Errorf("it has %d bytes, at most %d are allowed", f.Size, f.MaxSize)
	case len(f.Sources) == 0:
		return errors.New("no peer is known to have it")
	}
	return nil
}

// Fetch gets a blob, each leaf verified before it counts, and puts it at Path
// whole or not at all. It goes on where an earlier Fetch to the same Path
// stopped. A source that lies, stalls or dies costs the leaves it was asked for;
// the others take over. The error wraps fs.ErrNotExist when every source
// answered that it does not have the blob.
func (n *Network) Fetch(ctx context.Context, f Fetch) error {
	if err := n.fetch(ctx, f); err != nil {
		return fmt.Errorf("fetching blob %s: %w", f.ID.Short(), err)
	}
	return nil
}

func (n *Network) fetch(ctx context.Context, f Fetch) error {
	if err := f.validate(); err != nil {
		return err
	}
	if !n.enter() {
		return errors.New("the network is closed")
	}
	defer n.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	if _, running := n.paths.LoadOrStore(f.Path, true); running {
		return fmt.Errorf("%s is being fetched already", f.Path)
	}
	defer n.paths.Delete(f.Path)
	select {
	case n.fetches <- struct{}{}:
		defer func() { <-n.fetches }()
	case <-ctx.Done():
		return ctx.Err()
	}
	p, err := openPart(f.Path)
	if err != nil {
		return err
	}
	c := &coordinator{n: n, f: f, part: p, reports: make(chan report)}
	for _, id := range f.Sources {
		if id := peer.ID(id); id != n.host.ID() && !slices.Contains(c.rest, id) && len(c.rest) < maxNamedSources {
			c.rest = append(c.rest, id)
		}
	}
	slices.SortStableFunc(c.rest, func(a, b peer.ID) int { return n.distance(a) - n.distance(b) })
	err = c.run(ctx)
	cancel()
	c.wg.Wait() // nobody writes after this
	if err != nil {
		return errors.Join(err, p.file.Close())
	}
	return p.finish(c.size)
}

// coordinator shares one blob's leaves out among sources. It alone touches its
// fields; sources send it reports.
type coordinator struct {
	n       *Network
	f       Fetch
	part    *part
	rest    []peer.ID // sources to ask
	without []without // sources to ask again
	active  []*source
	reports chan report
	wg      sync.WaitGroup

	ready bool        // the leaves are known
	tree  *proto.Tree // nil for a blob of one leaf and known size
	size  uint64
	done  []bool
	left  int
	todo  []int // leaves that nobody works on, ascending
	said  []said
}

// without is a source that did not have the blob.
type without struct {
	id peer.ID
	at time.Time
}

// said is why a source is out.
type said struct {
	id  peer.ID
	err error
}

func (c *coordinator) run(ctx context.Context) error {
	if c.f.Size > 0 && c.f.Size <= proto.LeafSize {
		c.begin(nil, c.f.Size)
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for !c.ready || c.left > 0 {
		c.again(time.Now())
		c.unreached(time.Now())
		c.overtake(time.Now())
		c.share(ctx)
		if len(c.active) == 0 {
			return c.failure()
		}
		select {
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

// share starts sources while there is work for them, and gives the idle ones
// something to do.
func (c *coordinator) share(ctx context.Context) {
	want := 1
	if c.ready {
		want = min(maxFetchSources, c.left)
	}
	good := 0
	for _, s := range c.active {
		if !s.slow {
			good++
		}
	}
	for ; good < want && len(c.rest) > 0 && len(c.active) < 2*maxFetchSources; good++ {
		s := &source{n: c.n, f: c.f, id: c.rest[0], part: c.part, jobs: make(chan job, 1), out: c.reports}
		c.rest = c.rest[1:]
		c.active = append(c.active, s)
		c.wg.Go(func() { s.run(ctx) })
	}
	for _, s := range c.active {
		if s.busy {
			continue
		}
		if !c.ready {
			s.busy, s.since = true, time.Now()
			s.jobs <- job{}
			continue
		}
		if j, ok := c.next(want); ok {
			s.busy, s.todo, s.since = true, nil, time.Now()
			for i := range j.count {
				s.todo = append(s.todo, j.first+i)
			}
			s.jobs <- j
		}
	}
}

// again has sources asked once more that did not have the blob a while ago.
func (c *coordinator) again(now time.Time) {
	for len(c.without) > 0 && now.Sub(c.without[0].at) >= askAgain {
		c.rest = append(c.rest, c.without[0].id)
		c.without = c.without[1:]
	}
}

// unreached lets others take the place of sources that are still being dialled.
func (c *coordinator) unreached(now time.Time) {
	for _, s := range c.active {
		if s.busy && !s.open && !s.slow && now.Sub(s.since) > reachSoon {
			s.slow = true
			c.giveBack(s)
		}
	}
}

// overtake gives back the leaves of a source that has been at one for more than
// twice as long as another needs, where that one has nothing left to do: the
// last leaves of a blob must not come at the pace of its slowest source.
func (c *coordinator) overtake(now time.Time) {
	if !c.ready || len(c.todo) > 0 {
		return
	}
	var best time.Duration
	for _, s := range c.active {
		if !s.busy && s.pace > 0 && (best == 0 || s.pace < best) {
			best = s.pace
		}
	}
	if best == 0 {
		return
	}
	for _, s := range c.active {
		if s.busy && !s.slow && now.Sub(s.since) > 2*best+lookEvery {
			s.slow = true
			c.giveBack(s)
		}
	}
}

// next takes a run of leaves off the list: a share of what is left, so that the
// sources end together.
func (c *coordinator) next(sources int) (job, bool) {
	if len(c.todo) == 0 {
		return job{}, false
	}
	most := max(1, min(maxRange, len(c.todo)/(2*sources)))
	j := job{tree: c.tree, first: c.todo[0]}
	for j.count < most && j.count < len(c.todo) && c.todo[j.count] == j.first+j.count {
		j.count++
	}
	c.todo = c.todo[j.count:]
	return j, true
}

// handle takes a report in; an error ends the fetch.
func (c *coordinator) handle(r report) error {
	switch {
	case r.disk != nil:
		return r.disk
	case r.open:
		r.src.open, r.src.since = true, time.Now()
	case r.tree != nil:
		if r.tree.Size > c.f.MaxSize || c.f.Size != 0 && r.tree.Size != c.f.Size {
			return fmt.Errorf("it has %d bytes, announced were %d (0 = any) and at most %d are allowed", r.tree.Size, c.f.Size, c.f.MaxSize)
		}
		if !c.ready {
			c.begin(r.tree, r.tree.Size)
		}
	case r.leaf > 0:
		i, now := r.leaf-1, time.Now()
		r.src.pace, r.src.since = now.Sub(r.src.since), now
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
		c.said = append(slices.DeleteFunc(c.said, func(s said) bool { return s.id == r.src.id }), said{r.src.id, r.err})
		if errors.Is(r.err, fs.ErrNotExist) {
			c.without = append(c.without, without{r.src.id, time.Now()})
		}
		c.active = slices.DeleteFunc(c.active, func(s *source) bool { return s == r.src })
		c.giveBack(r.src)
	default: // the job is done
		r.src.busy, r.src.slow = false, false
	}
	return nil
}

// giveBack puts a source's leaves on the list again.
func (c *coordinator) giveBack(s *source) {
	for _, i := range s.todo {
		if !c.done[i] && !slices.Contains(c.todo, i) {
			c.todo = append(c.todo, i)
		}
	}
	slices.Sort(c.todo)
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
