package pack

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// draw returns k of n, ascending, uniformly.
func draw(r *rand.Rand, n, k int) []uint16 {
	var set []uint16
	for i := range n { // i is taken with the chance that fills the rest
		if r.IntN(n-i) < k-len(set) {
			set = append(set, uint16(i))
		}
	}
	return set
}

func write(set []uint16, n int) []byte {
	var w Writer
	w.Set(set, n)
	return w.Bytes()
}

func read(t interface{ Fatalf(string, ...any) }, buf []byte, n, k int) []uint16 {
	var r Reader
	r.Reset(buf)
	set := make([]uint16, k)
	if !r.Set(set, n) || !r.End() {
		t.Fatalf("%d of %d: %x is refused at bit %d", k, n, buf, r.at)
	}
	return set
}

// Every set of up to 10 of up to 10: comes back, and no other has its bits.
func TestEverySmallSet(t *testing.T) {
	for n := 1; n <= 10; n++ {
		for k := range n + 1 {
			seen := map[string]bool{}
			for members := range 1 << n {
				if bits.OnesCount(uint(members)) != k {
					continue
				}
				var set []uint16
				for i := range n {
					if members>>i&1 == 1 {
						set = append(set, uint16(i))
					}
				}
				buf := write(set, n)
				if got := read(t, buf, n, k); !slices.Equal(got, set) {
					t.Fatalf("%v of %d came back as %v", set, n, got)
				}
				if seen[string(buf)] {
					t.Fatalf("%v of %d: another set has these bits, %x", set, n, buf)
				}
				seen[string(buf)] = true
			}
		}
	}
}

// Sets and numbers in one stream come back in order, within the longest length.
func TestStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type item struct {
			n     int
			set   []uint16
			v     uint32
			width int
		}
		var items []item
		var w Writer
		w.Reset([]byte("before"))
		most := 0
		seed := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(0, 8).Draw(t, "items") {
			width := rapid.IntRange(0, 32).Draw(t, "width")
			it := item{n: rapid.SampledFrom([]int{1, 2, 63, 64, 100, 4096, MaxRange}).Draw(t, "n"), width: width}
			it.v = uint32(seed.Uint64() & (1<<width - 1))
			k := rapid.IntRange(0, it.n).Draw(t, "k")
			it.set = draw(seed, it.n, k)
			if rapid.Bool().Draw(t, "at the end") { // one long gap
				for i := range it.set {
					it.set[i] = uint16(it.n - k + i)
				}
			}
			w.Bits(it.v, it.width)
			w.Set(it.set, it.n)
			most += width + MaxBits(it.n, k)
			items = append(items, it)
		}
		buf := w.Bytes()
		if string(buf[:6]) != "before" || len(buf)-6 > (most+7)/8 {
			t.Fatalf("%d bytes, at most %d expected, behind %q", len(buf)-6, (most+7)/8, buf[:6])
		}
		var r Reader
		r.Reset(buf[6:])
		for i, it := range items {
			if v := r.Bits(it.width); v != it.v {
				t.Fatalf("item %d: %x, want %x", i, v, it.v)
			}
			set := make([]uint16, len(it.set))
			if !r.Set(set, it.n) || !slices.Equal(set, it.set) {
				t.Fatalf("item %d: %v, want %v", i, set, it.set)
			}
		}
		if !r.End() {
			t.Fatalf("bits are left after %d of %d", r.at, 8*(len(buf)-6))
		}
	})
}

// No set of a small n is longer than MaxBits, and some set comes within a bit a member.
func TestMaxBits(t *testing.T) {
	for n := 1; n <= 12; n++ {
		longest := make([]int, n+1)
		for members := range 1 << n {
			var set []uint16
			for i := range n {
				if members>>i&1 == 1 {
					set = append(set, uint16(i))
				}
			}
			var w Writer
			w.Set(set, n)
			longest[len(set)] = max(longest[len(set)], w.held)
		}
		for k := 1; k <= n; k++ {
			if most := MaxBits(n, k); longest[k] > most || longest[k] < most-k {
				t.Errorf("%d of %d: MaxBits %d, longest %d", k, n, most, longest[k])
			}
		}
	}
}

// What the package comment claims: within 5 % of the entropy (it is 1 to 3) at n = 4096.
func TestNearEntropy(t *testing.T) {
	const n = 4096
	r := rand.New(rand.NewPCG(1, 2))
	for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 16, 32, 48, 64, 128, 256, 512} {
		var w Writer
		sets := 20000 / k
		for range sets {
			w.Set(draw(r, n, k), n)
		}
		got := 8 * float64(len(w.Bytes())) / float64(sets*k)
		all, _ := math.Lgamma(n + 1)
		in, _ := math.Lgamma(float64(k + 1))
		out, _ := math.Lgamma(float64(n - k + 1))
		floor := (all - in - out) / math.Ln2 / float64(k)
		t.Logf("k %3d: %6.3f bits an index, entropy %6.3f, %+.1f %%", k, got, floor, 100*(got/floor-1))
		if got > 1.035*floor {
			t.Errorf("k %d: %.3f bits an index, entropy %.3f", k, got, floor)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	set := []uint16{7, 900, 2000, 4095}
	good := write(set, 4096)
	read(t, good, 4096, 4)
	for name, c := range map[string]struct {
		buf  []byte
		n, k int
	}{
		"nothing there":   {nil, 4096, 4},
		"one byte short":  {good[:len(good)-1], 4096, 4},
		"one byte more":   {append(slices.Clone(good), 0), 4096, 4},
		"filling not 0":   {[]byte{0x80}, 7, 1},
		"all of it":       {[]byte{0}, 8, 8},    // takes no bits
		"gap beyond room": {[]byte{0x08}, 7, 1}, // three zeros, no one, then the lowest bit of 7, in a room of 6
	} {
		var r Reader
		r.Reset(c.buf)
		set := make([]uint16, c.k)
		if r.Set(set, c.n) && r.End() {
			t.Errorf("%s: read as %v", name, set)
		}
	}
}
