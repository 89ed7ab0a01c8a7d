package overlap

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// Bounds as in p2p/blob, but for the sources: there up to eight are asked at once, of which most wait for a place.
const (
	maxFetches      = 16 // blobs fetched at once
	maxServed       = 32 // blob requests served at once
	maxFetchSources = 4  // sources of one blob at once
	maxRange        = 8  // leaves asked for at once
)

// fetch is one run of p2p's Fetch: leaves are shared out among the sources in
// their order, and one that does not have the blob is not asked again.
type fetch struct {
	n      *node
	blob   proto.ID
	size   uint64
	rest   []int // sources that were not asked yet
	active []*source
	ready  bool  // the leaf hashes are here
	todo   []int // leaves that nobody works on, ascending
	left   int
	over   bool
	done   func(ok bool)
}

type source struct {
	peer int
	busy bool
}

// fetch gets a blob, or says that it could not be had.
func (n *node) fetch(e round.Fetch, done func(ok bool)) {
	f := &fetch{n: n, blob: e.Update.Payload, size: e.Update.Size, done: done}
	for _, id := range e.Sources {
		if i := n.s.index(id); i >= 0 && i != n.i && !slices.Contains(f.rest, i) {
			f.rest = append(f.rest, i)
		}
	}
	n.fetches.take(func() { f.share() })
}

// share starts sources while there is work for them, and gives the idle ones
// something to do.
func (f *fetch) share() {
	if f.over {
		return
	}
	want := 1
	if f.ready {
		want = min(maxFetchSources, f.left)
	}
	for len(f.active) < want && len(f.rest) > 0 {
		f.active = append(f.active, &source{peer: f.rest[0]})
		f.rest = f.rest[1:]
	}
	if len(f.active) == 0 || f.ready && f.left == 0 {
		f.over = true
		f.n.fetches.free()
		f.done(f.ready && f.left == 0)
		return
	}
	for _, src := range f.active {
		switch {
		case src.busy:
		case !f.ready:
			src.busy = true
			f.ask(src, nil)
		case len(f.todo) > 0:
			src.busy = true
			f.ask(src, f.next(want))
		}
	}
}

// next takes a run of leaves off the list: a share of what is left.
func (f *fetch) next(sources int) []int {
	most := max(1, min(maxRange, len(f.todo)/(2*sources)))
	k := 0
	for k < most && k < len(f.todo) && f.todo[k] == f.todo[0]+k {
		k++
	}
	leaves := f.todo[:k:k]
	f.todo = f.todo[k:]
	return leaves
}

// ask sends a request and takes the answer: the hashes of all leaves if it is
// for none, else the leaves.
func (f *fetch) ask(src *source, leaves []int) {
	s, peer := f.n.s, f.n.s.nodes[src.peer]
	s.clock.after(s.oneWay(), func() {
		if !peer.held[f.blob] {
			s.clock.after(s.oneWay(), func() { f.refused(src, leaves) })
			return
		}
		bytes := 32 * float64(proto.LeafCount(f.size))
		for _, i := range leaves {
			bytes += float64(min(proto.LeafSize, f.size-uint64(i)*proto.LeafSize))
		}
		if leaves != nil {
			bytes -= 32 * float64(proto.LeafCount(f.size))
		}
		peer.served.take(func() {
			s.links.send(peer.i, f.n.i, bytes*wireOverhead, func() {
				peer.served.free()
				s.clock.after(s.oneWay(), func() { f.got(src, leaves) })
			})
		})
	})
}

func (f *fetch) refused(src *source, leaves []int) {
	f.active = slices.DeleteFunc(f.active, func(o *source) bool { return o == src })
	f.todo = append(f.todo, leaves...)
	slices.Sort(f.todo)
	f.share()
}

func (f *fetch) got(src *source, leaves []int) {
	src.busy = false
	f.left -= len(leaves)
	if !f.ready {
		f.ready, f.left = true, proto.LeafCount(f.size)
		for i := range f.left {
			f.todo = append(f.todo, i)
		}
	}
	f.share()
}

// bound lets so many through at once; the rest waits in its order.
type bound struct {
	room  int
	queue []func()
}

func (b *bound) take(do func()) {
	if b.room == 0 {
		b.queue = append(b.queue, do)
		return
	}
	b.room--
	do()
}

func (b *bound) free() {
	b.room++
	if len(b.queue) > 0 {
		do := b.queue[0]
		b.queue = b.queue[1:]
		b.take(do)
	}
}

// oneWay is a link's latency.
func (s *swarm) oneWay() time.Duration { return s.p.RoundTrip / 2 }
