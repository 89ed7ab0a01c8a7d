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

// Subtract against the documented formulas, one coordinate at a time, for any number of terms and goroutines, in place
// and not: the same bits.
func TestSubtractIsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cover, chunk := drawCover(t)
		src := drawVector(t, cover.Total, "src")
		vectors := make([][]float32, rapid.IntRange(0, 19).Draw(t, "terms"))
		weights := make([]float64, len(vectors))
		for k := range vectors {
			vectors[k], weights[k] = drawVector(t, cover.Total, "d"), rapid.Float64Range(-4, 4).Draw(t, "weight")
		}
		for name, c := range codecs(t, cover, chunk) {
			group := map[string]int{"one bit": 8, "two bits": 4}[name]
			if group == 0 {
				group = 1
			}
			want := slices.Clone(src)
			var terms []Term
			var read [][]part
			for k, d := range vectors {
				payload, err := c.Encode(nil, d, nil)
				if err != nil {
					t.Fatal(name, err)
				}
				terms, read = append(terms, Term{payload, weights[k]}), append(read, naive(name, payload, cover, chunk))
			}
			for g := 0; g < len(terms); g += group {
				for p := range read[g] {
					for j := range read[g][p].units {
						var sum float32
						for k := g; k < min(g+group, len(terms)); k++ {
							s := float32(weights[k] * float64(read[k][p].level[j]))
							if v := float32(s * read[k][p].units[j]); k == g {
								sum = v
							} else {
								sum += v
							}
						}
						want[read[g][p].from+j] -= sum
					}
				}
			}
			dst := make([]float32, cover.Total)
			for _, split := range []int{1, 5} {
				frameOf(c).split = split
				if err := c.Subtract(dst, src, terms); err != nil {
					t.Fatal(name, err)
				}
				equalBits(t, dst, want)
			}
			copy(dst, src)
			if err := c.Subtract(dst, dst, terms); err != nil {
				t.Fatal(name, err)
			}
			equalBits(t, dst, want)
		}
	})
}
