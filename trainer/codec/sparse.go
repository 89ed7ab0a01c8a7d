package codec

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/murmurnet/murmur/trainer/codec/pack"
)

const kindSparse kind = 's'

// Sparse keeps the largest magnitudes of each chunk, with 2 bits each and where they are (SparseLoCo, arXiv 2508.15706).
// It may be used from many goroutines.
//
// A chunk of n parameters keeps k = keep·n/chunk of them, to the nearest, and at least one: those of the largest |d|; of
// equal ones, the first. They decode to z = ±low or ±high; the others to 0. The two levels are the means of their sides
// where the side is chosen by the least square error (Lloyd 1982). Payloads are streams; a chunk's bits are
//
//	16   low, the upper half of a float32, 0 … high
//	16   high, likewise, up to [MaxScale]
//	…    the set of k of n indices, as package pack writes it
//	2·k  in order of the indices: 1 where d < 0, and 1 for high; no high where low = high, no sign where z = 0
//
// Levels have the range of float32, so that the small differences of a late stage do not vanish as they would in half
// precision (below 6e-8), and 8 bits of precision: 0.2 % beside the tens of per cent by which a coordinate differs from
// its level. Whatever z is off by stays with the sender.
type Sparse struct {
	stream
	grid      grid
	chunkSize int
}

// NewSparse prepares for vectors of which c is covered, cut into chunks of at most chunk parameters (a multiple of 8) of
// which at most keep are sent.
func NewSparse(c Cover, chunk, keep int) (*Sparse, error) {
	g, err := newGrid(c, chunk)
	if err != nil {
		return nil, fmt.Errorf("sparse codec: %w", err)
	}
	if keep < 1 || keep > chunk {
		return nil, fmt.Errorf("sparse codec: keeping %d of %d: it must be 1 to all", keep, chunk)
	}
	s := &Sparse{grid: g, chunkSize: chunk}
	s.stream, err = newStream(newHeader(kindSparse, chunk, &g), 0, keep, g.chunks(), func(c int) int {
		k := s.kept(c, keep)
		return 32 + pack.MaxBits(g.size(c), k) + 2*k
	})
	if err != nil {
		return nil, fmt.Errorf("sparse codec: %w", err)
	}
	return s, nil
}

// kept is how many of chunk c are, when keep of a whole one are.
func (s *Sparse) kept(c, keep int) int {
	return max(1, (2*keep*s.grid.size(c)+s.chunkSize)/(2*s.chunkSize))
}

// Encode returns the payload of d = head − local, or of d = head where local is nil, in dst's storage where that is
// large enough. It fails with ErrDiverged where some |d| is not finite or above MaxScale.
func (s *Sparse) Encode(dst []byte, head, local []float32) ([]byte, error) {
	if n := s.grid.total; len(head) != n || local != nil && len(local) != n {
		return nil, fmt.Errorf("encode: vectors of %d and %d parameters, want %d", len(head), len(local), n)
	}
	var bad atomic.Int64 // chunks from the first bad one to the end
	dst = s.encode(dst, 0, func() func(*pack.Writer, int) {
		most := min(s.chunkSize, s.grid.params)
		bits, zero, p := make([]uint32, most), make([]float32, most), newPicker(most)
		var l leveller
		return func(w *pack.Writer, c int) {
			lo, hi := s.grid.start[c], s.grid.end[c]
			from, bits := zero[:hi-lo], bits[:hi-lo]
			if local != nil {
				from = local[lo:hi]
			}
			warm(head[lo:hi])
			warm(from)
			for i, h := range head[lo:hi] {
				bits[i] = diff(h, from[i])
			}
			at := p.pick(bits, s.kept(c, s.keep))
			low, high, over, ok := l.levels(bits, at)
			if !ok {
				atLeast(&bad, int64(s.units-c))
				return
			}
			w.Bits(low, 16)
			w.Bits(high, 16)
			w.Set(at, len(bits))
			for ; len(at) > 0; at = at[min(16, len(at)):] {
				some := at[:min(16, len(at))]
				var codes uint32
				for i, j := range some {
					code := bits[j] >> 31
					if bits[j]&^(1<<31) > over {
						code |= 2
					} else if low == 0 {
						code = 0
					}
					codes |= code << (2 * i)
				}
				w.Bits(codes, 2*len(some))
			}
		}
	})
	if left := int(bad.Load()); left > 0 {
		return nil, diverged(&s.grid, s.units-left)
	}
	return dst, nil
}

// Check says whether payload has the form of what Encode makes, for this or a smaller number of parameters kept. Its
// cost is bounded by the layout, not by the bytes.
func (s *Sparse) Check(payload []byte) error {
	if len(payload) > header+3 && payload[header+3] != 0 {
		return fmt.Errorf("%w: exponent %d, want 0", ErrPayload, int8(payload[header+3]))
	}
	return s.check(payload, func() func(*pack.Reader, int) bool {
		keep, at := s.keeps(payload), make([]uint16, min(s.chunkSize, s.grid.params))
		return func(r *pack.Reader, c int) bool {
			low, high := r.Bits(16), r.Bits(16)
			if low > high || high > math.Float32bits(MaxScale)>>16 {
				return false
			}
			at := at[:s.kept(c, keep)]
			if !r.Set(at, s.grid.size(c)) {
				return false
			}
			for left := len(at); left > 0; left -= 16 {
				codes := r.Bits(2 * min(16, left))
				if low == high && codes&0xaaaaaaaa != 0 || low == 0 && codes&^(codes>>1)&0x55555555 != 0 {
					return false
				}
			}
			return true
		}
	})
}
