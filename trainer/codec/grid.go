package codec

import (
	"fmt"
	"math"
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

// grid is where chunks begin: chunk c holds parameters start[c] … start[c+1], its signs are bytes sign[c] … sign[c+1]
// of the sign block.
type grid struct {
	start, sign []int
	tensor      []int32 // which tensor, for messages
}

func newGrid(sizes []int, chunk int) (grid, error) {
	if chunk < 8 || chunk > maxChunk || chunk%8 != 0 {
		return grid{}, fmt.Errorf("chunk of %d parameters: it must be a multiple of 8 from 8 to %d", chunk, maxChunk)
	}
	g := grid{start: []int{0}, sign: []int{0}}
	at, byteAt := 0, 0
	for t, size := range sizes {
		if size < 1 || size > math.MaxInt-at || (size-1)/chunk >= maxChunks-len(g.tensor) {
			return grid{}, fmt.Errorf("tensor %d has %d parameters: it must have at least 1, and all together at most %d chunks", t, size, maxChunks)
		}
		for end := at + size; at < end; {
			n := min(chunk, end-at)
			at += n
			byteAt += (n + 7) / 8
			g.start, g.sign, g.tensor = append(g.start, at), append(g.sign, byteAt), append(g.tensor, int32(t))
		}
	}
	if at == 0 {
		return grid{}, fmt.Errorf("no tensors")
	}
	return g, nil
}

func (g *grid) chunks() int    { return len(g.tensor) }
func (g *grid) params() int    { return g.start[len(g.start)-1] }
func (g *grid) signBytes() int { return g.sign[len(g.sign)-1] }

// each calls do once for every chunk, on up to split goroutines (0: one a CPU), and returns when all are done.
func (g *grid) each(split int, do func(c int)) {
	if split == 0 {
		split = min(runtime.GOMAXPROCS(0), maxSplit)
	}
	split = min(split, (g.chunks()+blockSpan-1)/blockSpan)
	var next atomic.Int64
	work := func() {
		for {
			end := int(next.Add(blockSpan))
			if end-blockSpan >= g.chunks() {
				return
			}
			for c := end - blockSpan; c < min(end, g.chunks()); c++ {
				do(c)
			}
		}
	}
	var others sync.WaitGroup
	for range split - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}
