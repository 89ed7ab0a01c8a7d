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
	// alsoAsk is how long the first source is asked alone: a fast line has sent a round's
	// payload by then, and over a slow one it may come sooner from who got it before.
	alsoAsk = 250 * time.Millisecond
	// worthTaking is how long what is left of a job must take for another source, of
	// more than twice the rate, to take it over: what was begun is lost.
	worthTaking = time.Second
	// maxLater is how often in a row a source may take an offer back.
	maxLater = 3
	// askAgain is how long a source is left alone that does not have the blob, or was
	// not needed, while another one is at it: what is wanted here is wanted there, too.
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
	// Sources are asked in this order, those that are connected first: the first one alone
	// for alsoAsk, then up to maxFetchSources at once.
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
	ended, came := n.coming.begin(f.ID), uint64(0)
	defer func() { ended(came) }()
	p, err := openPart(f.Path)
	if err != nil {
		return err
	}
	c := &coordinator{n: n, f: f, part: p, reports: make(chan report), small: f.Size > 0 && f.Size <= smallBlob}
	for _, id := range n.Nearest(f.Sources) {
		if id := peer.ID(id); id != n.host.ID() && !slices.Contains(c.rest, id) && len(c.rest) < maxNamedSources {
			c.rest = append(c.rest, id)
		}
	}
	err = c.run(ctx)
	cancel()
	c.wg.Wait() // nobody writes after this
	if err != nil {
		return errors.Join(err, p.file.Close())
	}
	if err = p.finish(c.size); err == nil {
		came = c.size
	}
	return err
}

// coming is what is being fetched, for those who ask here for it meanwhile, and how fast
// the last maxCame blobs came.
type coming struct {
	mu    sync.Mutex
	ids   map[proto.ID]chan struct{} // closed when it is over
	came  []proto.ID                 // oldest first
	paces map[proto.ID]uint64        // bytes/s, waiting included
}

// maxCame is more than two rounds' payloads of the largest swarms that exchange all of them.
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

// coordinator shares one blob's leaves out among sources. It alone touches its
// fields; sources send it reports.
type coordinator struct {
	n       *Network
	f       Fetch
	part    *part
	small   bool      // it is sent without an offer
	late    bool      // alsoAsk is over
	rest    []peer.ID // sources to ask
	resting []resting // sources to ask again
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

// resting is a source that did not have the blob, or was not needed.
type resting struct {
	id     peer.ID
	at     time.Time
	absent bool
}

// said is why a source is out.
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

// share starts sources while there is work for them, and gives the idle ones
// something to do.
func (c *coordinator) share(ctx context.Context) {
	want := 1
	switch {
	case c.late:
		want = maxFetchSources
	case c.ready:
		want = min(maxFetchSources, c.left)
	}
	good := 0
	for _, s := range c.active {
		if !s.slow {
			good++
		}
	}
	for ; good < want && len(c.rest) > 0 && len(c.active) < 2*maxFetchSources; good++ {
		s := &source{n: c.n, f: c.f, id: c.rest[0], part: c.part, jobs: make(chan job, 1), out: c.reports, offered: c.small}
		c.rest = c.rest[1:]
		c.active = append(c.active, s)
		var running context.Context
		running, s.cancel = context.WithCancel(ctx)
		c.wg.Go(func() { s.run(running) })
	}
	for _, s := range slices.Clone(c.active) {
		switch {
		case s.busy || !slices.Contains(c.active, s):
		case !s.offered:
			s.give(job{})
		default:
			if len(c.todo) == 0 {
				c.take(s)
			}
			if j, ok := c.next(min(want, c.left)); ok {
				s.give(j)
			} else {
				c.dismiss(s)
			}
		}
	}
}

// give gives a source something to do.
func (s *source) give(j job) {
	s.busy, s.since, s.todo = true, time.Now(), nil
	for i := range j.count {
		s.todo = append(s.todo, j.first+i)
	}
	s.jobs <- j
}

// take takes a job off a source that needs long for what is left of it, where this one
// is much faster: the last leaves must not come at the pace of the slowest source.
func (c *coordinator) take(s *source) {
	var worst *source
	most := worthTaking.Seconds()
	if s.rate == 0 { // it may be slow itself
		most *= 3
	}
	for _, o := range c.active {
		if len(o.todo) == 0 || o.slow {
			continue
		}
		rate := o.speed()
		if rate == 0 || s.rate > 0 && s.rate <= 2*rate {
			continue
		}
		if d := float64(c.bytes(o.todo))/rate - time.Since(o.since).Seconds(); d > most {
			worst, most = o, d
		}
	}
	if worst != nil {
		c.dismiss(worst)
	}
}

// speed is a busy source's rate: after a second as it is, before that as it was.
func (s *source) speed() float64 {
	if d := time.Since(s.since); d > time.Second {
		return max(float64(s.moved.Load()), 1) / d.Seconds()
	}
	return s.rate
}

// bytes is the size of leaves.
func (c *coordinator) bytes(leaves []int) (n uint64) {
	for _, i := range leaves {
		n += leafSize(i, c.size)
	}
	return n
}

// dismiss ends a source that is not needed now.
func (c *coordinator) dismiss(s *source) {
	s.cancel()
	c.active = slices.DeleteFunc(c.active, func(o *source) bool { return o == s })
	c.resting = append(c.resting, resting{id: s.id, at: time.Now()})
	c.giveBack(s)
	s.todo = nil
}

// again has sources asked once more that did not have the blob a while ago, or were
// not needed: those at once where nobody else is left.
func (c *coordinator) again(now time.Time) {
	alone := len(c.active) == 0
	c.resting = slices.DeleteFunc(c.resting, func(r resting) bool {
		due := now.Sub(r.at) >= askAgain || alone && !r.absent
		if due {
			c.rest = append(c.rest, r.id)
		}
		return due
	})
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
	case r.offer != nil:
		o := r.offer
		if o.tree.Size > c.f.MaxSize || c.f.Size != 0 && o.tree.Size != c.f.Size {
			return fmt.Errorf("it has %d bytes, announced were %d (0 = any) and at most %d are allowed", o.tree.Size, c.f.Size, c.f.MaxSize)
		}
		r.src.offered, r.src.rate = true, o.rate
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
