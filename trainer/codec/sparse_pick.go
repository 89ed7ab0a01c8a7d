package codec

// picker finds the largest magnitudes among up to maxChunk floats. It serves one goroutine at a time.
type picker struct {
	counts [2][1 << 11]uint16 // two, as an increment waits for the one before it in the same bin
	at     []uint16           // candidates, ascending; in the end those picked
	keys   []uint32           // magnitudes of those on the boundary
}

func newPicker(most int) *picker {
	return &picker{at: make([]uint16, most), keys: make([]uint32, most)}
}

// pick returns where the k largest magnitudes are among the floats with these bits, ascending; of equal ones it takes
// those that come first. As integers, magnitudes are in order, with infinity and NaN above all. What it returns is good
// until the next call.
//
// It counts by the upper 11 bits of the magnitudes, eight bins an octave, then looks closer at the bin in which the
// k-th is: one pass over all the floats, and another to take the candidates, whatever the floats are.
func (p *picker) pick(bits []uint32, k int) []uint16 {
	if k >= len(bits) {
		for i := range bits {
			p.at[i] = uint16(i)
		}
		return p.at[:len(bits)]
	}
	t, rest := p.threshold(bits, k)
	at, n := p.at[:len(bits)], 0
	for i, b := range bits {
		if m := b &^ (1 << 31); m >= t {
			if m == t {
				if rest == 0 {
					continue
				}
				rest--
			}
			at[n] = uint16(i)
			n++
		}
	}
	return at[:n]
}

// threshold returns the k-th largest magnitude, and how many of those equal to it are among the k.
func (p *picker) threshold(bits []uint32, k int) (t uint32, rest int) {
	p.counts = [2][1 << 11]uint16{}
	a, b := &p.counts[0], &p.counts[1]
	i := 0
	for ; i+1 < len(bits); i += 2 {
		a[bits[i]<<1>>21]++
		b[bits[i+1]<<1>>21]++
	}
	if i < len(bits) {
		a[bits[i]<<1>>21]++
	}
	high, k := p.bin(1<<11-1, k)
	n := 0
	for _, b := range bits { // those in the bin, without a branch
		p.keys[n] = b &^ (1 << 31)
		if b<<1>>21 == high {
			n++
		}
	}
	middle, k := p.digit(n, 10, k)
	keys := p.keys[:n]
	n = 0
	for _, key := range keys {
		if p.keys[n] = key; key>>10&1023 == middle {
			n++
		}
	}
	low, k := p.digit(n, 0, k)
	return high<<20 | middle<<10 | low, k
}

// digit counts ten bits of the first n keys and finds the bin of the k-th largest.
func (p *picker) digit(n, shift, k int) (bin uint32, rest int) {
	p.counts = [2][1 << 11]uint16{}
	for _, key := range p.keys[:n] {
		p.counts[0][key>>shift&1023]++
	}
	return p.bin(1<<10-1, k)
}

// bin is the one that holds the k-th largest, from the highest down, and rest how many of its own are among the k.
func (p *picker) bin(highest uint32, k int) (bin uint32, rest int) {
	for bin = highest; ; bin-- {
		here := int(p.counts[0][bin&2047]) + int(p.counts[1][bin&2047])
		if k <= here {
			return bin, k
		}
		k -= here
	}
}
