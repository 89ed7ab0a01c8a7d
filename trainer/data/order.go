package data

import "fmt"

// WindowShards is how many shards are mixed: a node trains on the samples of so many at a time, and needs no others. Of
// 16 Mi tokens each, in 2 bytes, a window is 256 MiB.
const WindowShards = 8

// Order says which sample stands at a position, of a data set in shards. An epoch takes the shards in an order of its own,
// a window of them after the other, and mixes the samples within each window; with one shard it is [Permute]. Every sample
// stands at one position of an epoch. An Order is not safe for concurrent use.
type Order struct {
	key    [32]byte
	counts []uint64
	total  uint64

	epoch   uint64 // that the rest is about
	windows []window
	known   bool
}

// window is a run of positions of an epoch and the shards whose samples stand there.
type window struct {
	from, samples uint64
	shards        []int
}

// NewOrder orders shards with these numbers of samples.
func NewOrder(key [32]byte, counts []uint64) (*Order, error) {
	o := &Order{key: key, counts: counts}
	for _, n := range counts {
		if o.total += n; o.total < n {
			return nil, fmt.Errorf("a data set of %d shards has more samples than can be counted", len(counts))
		}
	}
	if o.total == 0 {
		return nil, fmt.Errorf("a data set of %d shards without a whole sample: use longer texts or shorter samples", len(counts))
	}
	return o, nil
}

// Samples is how many an epoch has.
func (o *Order) Samples() uint64 { return o.total }

// At gives the shard and the number of the sample in it.
func (o *Order) At(position uint64) (shard int, sample uint64) {
	i := o.seek(position)
	w := o.windows[i]
	run := o.epoch*uint64(len(o.windows)) + uint64(i) // no two windows of any epochs are mixed alike
	x := Permute(o.key, w.samples, run*w.samples+position%o.total-w.from)
	for _, s := range w.shards {
		if x < o.counts[s] {
			return s, x
		}
		x -= o.counts[s]
	}
	panic("data: a window has fewer samples than its shards") // seek counted them
}

// Window lists the shards whose samples stand around a position, and the first position that needs others.
func (o *Order) Window(position uint64) (shards []int, end uint64) {
	w := o.windows[o.seek(position)]
	return w.shards, o.epoch*o.total + w.from + w.samples
}

// seek lays out the epoch of a position, and finds its window.
func (o *Order) seek(position uint64) int {
	if epoch := position / o.total; !o.known || epoch != o.epoch {
		o.lay(epoch)
	}
	x := position % o.total
	lo, hi := 0, len(o.windows)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; o.windows[mid].from <= x {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

func (o *Order) lay(epoch uint64) {
	key := o.key
	key[0] ^= 0xff // shards and samples are not permuted alike
	n := uint64(len(o.counts))
	o.epoch, o.known, o.windows = epoch, true, nil
	var w window
	for i := range n {
		s := int(Permute(key, n, epoch*n+i))
		if o.counts[s] > 0 {
			w.shards, w.samples = append(w.shards, s), w.samples+o.counts[s]
		}
		if (len(w.shards) == WindowShards || i == n-1) && w.samples > 0 {
			o.windows = append(o.windows, w)
			w = window{from: w.from + w.samples}
		}
	}
}
