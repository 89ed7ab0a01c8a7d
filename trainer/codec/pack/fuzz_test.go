package pack

import (
	"slices"
	"testing"
)

// Whatever bytes come: no panic, and what is read as a set is ascending, below n, and written again as the same bytes.
func FuzzRead(f *testing.F) {
	f.Add(write([]uint16{1, 2, 3, 4095}, 4096), 4096, 4)
	f.Add(write([]uint16{63}, 64), 64, 1)
	f.Add(write(nil, 64), 64, 0)
	f.Add(make([]byte, 5000), MaxRange, 1024)
	f.Fuzz(func(t *testing.T, buf []byte, n, k int) {
		if n < 1 || n > MaxRange || k < 0 || k > n {
			return
		}
		var r Reader
		r.Reset(buf)
		set := make([]uint16, k)
		if !r.Set(set, n) || !r.End() {
			return
		}
		for i, index := range set {
			if int(index) >= n || i > 0 && index <= set[i-1] {
				t.Fatalf("%v is no set of indices below %d", set, n)
			}
		}
		if again := write(set, n); !slices.Equal(again, buf) {
			t.Fatalf("%x reads as %v, which is written as %x", buf, set, again)
		}
	})
}
