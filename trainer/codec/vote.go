package codec

import "math"

// vote takes the trimmed mean of signs, chunk by chunk. It serves one goroutine at a time.
type vote struct {
	o       *OneBit
	terms   []Term
	limit   *limit
	weights []float32 // of the terms that vote, in the chunk that margins are for; 0 for the others
	all     float32   // V
	// By the signs of eight terms: of up to eight, (W' − V)/V; of more, the part of W that a group has.
	margins [256]float64
	groups  [][256]float32
	sum     []float32 // W of each coordinate, where there are more than eight terms
}

func newVote(o *OneBit, terms []Term, most Most) *vote {
	v := &vote{o: o, terms: terms, limit: newLimit(most, terms), weights: make([]float32, len(terms))}
	if len(terms) > group {
		v.groups = make([][256]float32, (len(terms)+group-1)/group)
		v.sum = make([]float32, strip*8)
	}
	return v
}

// margin is where the trimmed mean of the signs lies from −1 to 1, where those that are not negative weigh w of all.
func margin(w, all float32) float64 {
	v := float64(all)
	return (min(max(4*float64(w)-v, 0), 2*v) - v) / v
}

// subtract is Subtract's formula for chunk c.
func (v *vote) subtract(c int, dst, src []float32) {
	reach := v.open(c)
	if v.all == 0 {
		copy(dst, src)
		return
	}
	if len(v.terms) <= group {
		var rows [group][]byte
		for i, t := range v.terms {
			rows[i] = v.o.bits(t.Payload, c)
		}
		var sums [1 << group]float32
		for pattern := range 1 << len(v.terms) {
			sums[pattern] = float32(reach * v.margins[pattern])
		}
		subtract(dst, src, rows[:len(v.terms)], &sums)
		return
	}
	var rows [group][strip]byte
	for at := 0; at < len(dst); at += len(v.sum) {
		n := min(len(v.sum), len(dst)-at)
		sum := v.sum[:n]
		clear(sum)
		for g := range v.groups {
			clear(rows[:])
			for i, t := range v.terms[g*group : min((g+1)*group, len(v.terms))] {
				copy(rows[i][:], v.o.bits(t.Payload, c)[at/8:])
			}
			addStrip(sum, &rows, &v.groups[g])
		}
		to, from := dst[at:at+n], src[at:at+n]
		for j, w := range sum {
			to[j] = from[j] - float32(reach*margin(w, v.all))
		}
	}
}

// open prepares for chunk c and returns M. What depends on who votes alone is made anew where that changes.
func (v *vote) open(c int) (reach float64) {
	for i, t := range v.terms {
		v.limit.scales[i] = v.o.scale(t.Payload, c, 0)
	}
	most, same := v.limit.of(c), v.all > 0
	for i, t := range v.terms {
		s := min(v.limit.scales[i], most)
		reach += float64(t.Weight * float64(s))
		var u float32
		if s > 0 {
			u = float32(math.Abs(t.Weight))
		}
		same = same && v.weights[i] == u
		v.weights[i] = u
	}
	if same {
		return reach
	}
	if len(v.terms) <= group {
		var w [256]float32
		v.all = patterns(&w, v.weights)
		if v.all > 0 {
			for pattern := range 1 << len(v.terms) {
				v.margins[pattern] = margin(w[pattern], v.all)
			}
		}
		return reach
	}
	v.all = 0
	for g := range v.groups {
		v.all += patterns(&v.groups[g], v.weights[g*group:min((g+1)*group, len(v.weights))])
	}
	return reach
}

// patterns sets, for each pattern of signs, 1 where one is negative, the sum of the weights of the others, and returns the
// sum of all.
func patterns(sums *[256]float32, weights []float32) float32 {
	sums[0] = 0
	for i, w := range weights {
		for pattern := range 1 << i { // bit i set first: what it is made of is overwritten then
			sums[pattern|1<<i] = sums[pattern]
			sums[pattern] += w
		}
	}
	return sums[0]
}

// addStrip adds to each coordinate what its bits in the rows stand for.
func addStrip(sum []float32, rows *[group][strip]byte, values *[256]float32) {
	for k := 0; len(sum) > 0; k++ {
		x := transpose(uint64(rows[0][k]) | uint64(rows[1][k])<<8 | uint64(rows[2][k])<<16 | uint64(rows[3][k])<<24 |
			uint64(rows[4][k])<<32 | uint64(rows[5][k])<<40 | uint64(rows[6][k])<<48 | uint64(rows[7][k])<<56)
		n := min(8, len(sum))
		for j := range sum[:n] {
			sum[j] += values[byte(x)]
			x >>= 8
		}
		sum = sum[n:]
	}
}
