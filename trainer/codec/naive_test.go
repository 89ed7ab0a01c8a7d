package codec

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawVector draws a vector in ±3 with some zeros.
func drawVector(t *rapid.T, n int, name string) []float32 {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 0))
	v := make([]float32, n)
	for i := range v {
		if r.IntN(10) > 0 {
			v[i] = 6*r.Float32() - 3
		}
	}
	return v
}

// part is a chunk as the layout has it: parameters from … to, each of them level·unit.
type part struct {
	from, to     int
	level, units []float32
}

// naive reads a payload by the layout's words, one bit or byte after the other.
func naive(name string, payload []byte, cover Cover, chunk int) (parts []part) {
	for _, r := range cover.Ranges {
		for at := r.From; at < r.To; at += chunk {
			parts = append(parts, part{from: at, to: min(at+chunk, r.To)})
		}
	}
	scales := payload[16:]
	scale := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(scales[4*i:])) }
	body := scales[4*len(parts)*map[string]int{"one bit": 1, "two bits": 2, "int8": 1, "fp4": 1}[name]:]
	for c := range parts {
		p := &parts[c]
		n := p.to - p.from
		bytes := 0
		for j := range n {
			bit := func(at int) bool { return body[at]>>(j%8)&1 == 1 }
			level, unit := float32(1), float32(1)
			switch name {
			case "one bit":
				level, bytes = scale(c), (n+7)/8
				if bit(j / 8) {
					unit = -1
				}
			case "two bits":
				level, bytes = scale(2*c), 2*((n+7)/8)
				if bit((n+7)/8 + j/8) {
					level = scale(2*c + 1)
				}
				if bit(j / 8) {
					unit = -1
				}
			case "fp32":
				unit, bytes = math.Float32frombits(binary.LittleEndian.Uint32(body[4*j:])), 4*n
			case "fp16":
				unit, bytes = naiveHalf(binary.LittleEndian.Uint16(body[2*j:])), 2*n
			case "int8":
				level, unit, bytes = scale(c), float32(int8(body[j])), n
			case "fp4":
				level, bytes = scale(c), (n+1)/2
				code := body[j/2] >> (j % 2 * 4) & 15
				unit = []float32{0, 1. / 64, 1. / 32, 1. / 16, 1. / 8, 1. / 4, 1. / 2, 1}[code%8]
				if code >= 8 {
					unit = -unit
				}
			}
			p.level, p.units = append(p.level, level), append(p.units, unit)
		}
		body = body[bytes:]
	}
	return parts
}

// naiveHalf is IEEE 754's definition.
func naiveHalf(v uint16) float32 {
	sign, e, m := 1-2*float64(v>>15), int(v>>10&31), float64(v&1023)
	if e == 0 {
		return float32(sign * math.Ldexp(m, -24))
	}
	return float32(sign * math.Ldexp(1024+m, e-25))
}

// median is the lower one of the terms' scales.
func median(_ int, scales []float32) float32 {
	slices.Sort(scales)
	return scales[(len(scales)-1)/2]
}

// naiveScales are what the codec gives a Most, of every part.
func naiveScales(name string, payload []byte, parts []part) []float32 {
	scale := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(payload[16+4*i:])) }
	var scales []float32
	for c, p := range parts {
		switch name {
		case "one bit":
			scales = append(scales, scale(c))
		case "two bits":
			scales = append(scales, scale(2*c+1))
		default:
			var lanes [4]float64
			for j, u := range p.units {
				lanes[j%4] += float64(u) * float64(u)
			}
			s := float64(p.level[0])
			scales = append(scales, float32(math.Sqrt(float64(s*s)*(lanes[0]+lanes[1]+lanes[2]+lanes[3]))))
		}
	}
	return scales
}

// naiveVote is how far a coordinate moves by OneBit's formula, of which negative says for each term whether its sign is.
func naiveVote(weights []float64, scales []float32, negative func(k int) bool) float32 {
	var all, positive float32
	var reach float64
	for g := 0; g < len(weights); g += 8 {
		var v, w float32
		for k := g; k < min(g+8, len(weights)); k++ {
			reach += float64(weights[k] * float64(scales[k]))
			if u := float32(math.Abs(weights[k])); scales[k] > 0 {
				v += u
				if !negative(k) {
					w += u
				}
			}
		}
		all, positive = all+v, positive+w
	}
	if all == 0 {
		return 0
	}
	v := float64(all)
	return float32(reach * ((min(max(4*float64(positive)-v, 0), 2*v) - v) / v))
}

// Subtract against the documented formulas, one coordinate at a time, for any number of terms and goroutines, in place
// and not, with bounds and without: the same bits.
func TestSubtractIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover, chunk := drawCover(t)
		src := drawVector(t, cover.Total, "src")
		vectors := make([][]float32, rapid.IntRange(0, 19).Draw(t, "terms"))
		weights := make([]float64, len(vectors))
		for k := range vectors {
			vectors[k], weights[k] = drawVector(t, cover.Total, "d"), rapid.Float64Range(-4, 4).Draw(t, "weight")
			if rapid.IntRange(0, 4).Draw(t, "part") == 0 {
				clear(vectors[k][:len(vectors[k])/2])
			}
		}
		var most Most
		if rapid.Bool().Draw(t, "bounded") {
			most = median
		}
		for name, c := range codecs(t, cover, chunk) {
			want := slices.Clone(src)
			var terms []Term
			var read [][]part
			var scales [][]float32
			for k, d := range vectors {
				payload, err := c.Encode(nil, d, nil)
				if err != nil {
					t.Fatal(name, err)
				}
				parts := naive(name, payload, cover, chunk)
				terms, read, scales = append(terms, Term{payload, weights[k]}), append(read, parts), append(scales, naiveScales(name, payload, parts))
			}
			for p := range c.Chunks() {
				if len(terms) == 0 {
					break
				}
				here := make([]float32, len(terms))
				for k := range terms {
					here[k] = scales[k][p]
				}
				bound := float32(math.Inf(1))
				if most != nil {
					bound = most(p, slices.Clone(here))
				}
				for j := range read[0][p].units {
					x := &want[read[0][p].from+j]
					switch name {
					case "one bit":
						cut := slices.Clone(here)
						for k := range cut {
							cut[k] = min(cut[k], bound)
						}
						*x -= naiveVote(weights, cut, func(k int) bool { return read[k][p].units[j] < 0 })
					case "two bits":
						for g := 0; g < len(terms); g += 4 {
							var sum float32
							for k := g; k < min(g+4, len(terms)); k++ {
								v := float32(float32(weights[k]*float64(min(read[k][p].level[j], bound))) * read[k][p].units[j])
								if k == g {
									sum = v
								} else {
									sum += v
								}
							}
							*x -= sum
						}
					default:
						for k := range terms {
							s := float64(weights[k] * float64(read[k][p].level[j]))
							if most != nil && here[k] > bound {
								s = float64(s * float64(float32(bound/here[k])))
							}
							*x -= float32(float32(s) * read[k][p].units[j])
						}
					}
				}
			}
			dst := make([]float32, cover.Total)
			for _, split := range []int{1, 5} {
				frameOf(c).split = split
				if err := c.Subtract(dst, src, terms, most); err != nil {
					t.Fatal(name, err)
				}
				equalBits(t, dst, want)
			}
			copy(dst, src)
			if err := c.Subtract(dst, dst, terms, most); err != nil {
				t.Fatal(name, err)
			}
			equalBits(t, dst, want)
		}
	})
}
