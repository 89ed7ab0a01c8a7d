package codec

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	maxChunk  = 1 << 15 // parameters: the header's field is 16 bits wide
	maxChunks = 1 << 24 // 69 billion parameters at 4096 a chunk; 20 bytes of table each
	blockSpan = 64      // chunks a goroutine takes at a time: 1 MiB of parameters at 4096
	maxSplit  = 16      // goroutines at most: memory is saturated before
)

// grid is where chunks are: chunk c holds the parameters from start[c] up to end[c] of the flat vector. Chunks ascend;
// between those of two tensors may lie parameters that are in none.
type grid struct {
	total      int // length of the flat vector
	params     int // in chunks
	start, end []int
	tensor     []int32 // which tensor, for messages
}

func newGrid(cover Cover, chunk int) (grid, error) {
	if chunk < 8 || chunk > maxChunk || chunk%8 != 0 {
		return grid{}, fmt.Errorf("chunk of %d parameters: it must be a multiple of 8 from 8 to %d", chunk, maxChunk)
	}
	if err := cover.check(); err != nil {
		return grid{}, err
	}
	g, chunks := grid{total: cover.Total}, 0
	for t, r := range cover.Ranges {
		n := (r.To-r.From-1)/chunk + 1
		if n > maxChunks-chunks {
			return grid{}, fmt.Errorf("tensor %d has %d parameters: there are at most %d chunks in all", t, r.To-r.From, maxChunks)
		}
		g.params, chunks = g.params+r.To-r.From, chunks+n
	}
	g.start, g.end, g.tensor = make([]int, 0, chunks), make([]int, 0, chunks), make([]int32, 0, chunks)
	for t, r := range cover.Ranges {
		for at, n := r.From, 0; at < r.To; at += n {
			n = min(chunk, r.To-at)
			g.start, g.end, g.tensor = append(g.start, at), append(g.end, at+n), append(g.tensor, int32(t))
		}
	}
	return g, nil
}

func (g *grid) chunks() int { return len(g.tensor) }

// size is how many parameters chunk c has.
func (g *grid) size(c int) int { return g.end[c] - g.start[c] }

// rest copies what no chunk holds.
func (g *grid) rest(dst, src []float32) {
	if &dst[0] == &src[0] {
		return
	}
	at := 0
	for c, start := range g.start {
		copy(dst[at:start], src[at:start])
		at = g.end[c]
	}
	copy(dst[at:], src[at:])
}

// each calls do once for every chunk, on up to split goroutines (0: one a CPU), and returns when all are done.
func (g *grid) each(split int, do func(c int)) {
	g.work(split, func() func(c int) { return do })
}

// work is each, where every goroutine calls what worker makes for it.
func (g *grid) work(split int, worker func() func(c int)) {
	spread(split, (g.chunks()+blockSpan-1)/blockSpan, func() func(int) {
		do := worker()
		return func(block int) {
			for c := block * blockSpan; c < min((block+1)*blockSpan, g.chunks()); c++ {
				do(c)
			}
		}
	})
}

// first calls good once for every chunk, as each does, and returns the lowest for which it is false, or −1.
func (g *grid) first(split int, good func(c int) bool) int {
	var bad atomic.Int64 // chunks from the first bad one to the end
	g.each(split, func(c int) {
		if !good(c) {
			atLeast(&bad, int64(g.chunks()-c))
		}
	})
	if left := int(bad.Load()); left > 0 {
		return g.chunks() - left
	}
	return -1
}

// atLeast sets v to n unless it is more.
func atLeast(v *atomic.Int64, n int64) {
	for {
		if was := v.Load(); was >= n || v.CompareAndSwap(was, n) {
			return
		}
	}
}

// spread calls what worker makes for it once for each of n numbers, on up to split goroutines (0: one a CPU), and
// returns when all are done.
func spread(split, n int, worker func() func(i int)) {
	if split == 0 {
		split = min(runtime.GOMAXPROCS(0), maxSplit)
	}
	var next atomic.Int64
	work := func() {
		do := worker()
		for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
			do(i)
		}
	}
	var others sync.WaitGroup
	for range min(split, n) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}
