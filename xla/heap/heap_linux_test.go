//go:build cgo

package heap

import "testing"

// TestHolesAreUsed: of arrays of one size in a row, every other is given back and taken again: in the same places.
func TestHolesAreUsed(t *testing.T) {
	const size, n = 100_001, 16 // below the size from which glibc maps each by itself
	var all []uintptr
	held := map[uintptr]bool{}
	for range n {
		p := take(size)
		if p == 0 || p%64 != 0 || held[p] {
			t.Fatalf("an array at %#x", p)
		}
		all, held[p] = append(all, p), true
	}
	for i := 0; i < n; i += 2 {
		give(all[i])
	}
	for range n / 2 {
		if p := take(size); !held[p] {
			t.Errorf("an array at %#x, where there was none", p)
		}
	}
}
