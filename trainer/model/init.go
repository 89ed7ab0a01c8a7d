package model

import (
	"encoding/binary"
	"math"
	"strings"

	"lukechampine.com/blake3"
)

// initStd is the standard deviation of initial weights (Llama and GPT-2 use the same).
const initStd = 0.02

// initDomain keeps the weights' random numbers apart from all other uses of a seed.
const initDomain = "murmur initial weights 1"

// Init draws the initial weights: norms multiply by 1, biases are 0, matrices are normal-like with standard deviation 0.02, and the two
// projections that write to the residual stream are scaled by 1/sqrt(2·layers) (GPT-2). An adapter's B is 0, its A has a standard deviation of 1/sqrt(3·in).
//
// A weight is the sum of twelve uniform 24-bit integers (Irwin–Hall: variance 12·2^48/12, so 2^24 is one standard
// deviation; tails end at 6) less its mean, times one float64 factor, rounded once to float32. Integers, square root
// and single multiplications are exact or correctly rounded everywhere, so every processor draws the same bits.
func Init(c Config, seed [32]byte) []float32 {
	theta := make([]float32, c.Layout().Params())
	Draw(theta, c, seed)
	return theta
}

// Draw writes what Init returns to theta, which is as long.
func Draw(theta []float32, c Config, seed [32]byte) {
	c.draw(theta, c.Layout(), seed)
}

// DrawFrozen draws what Drawn lists.
func DrawFrozen(c Config, seed [32]byte) []float32 {
	a := make([]float32, c.Drawn().Params())
	c.draw(a, c.Drawn(), seed)
	return a
}

func (c Config) draw(values []float32, l Layout, seed [32]byte) {
	for _, t := range l {
		w := values[t.Offset : t.Offset+t.Size]
		std := initStd
		switch {
		case strings.HasSuffix(t.Name, loraB):
			clear(w)
			continue
		case strings.HasSuffix(t.Name, loraA): // peft's, which are uniform, have as much
			std = 1 / math.Sqrt(3*float64(t.Shape[1]))
		case !t.Decays():
			for i := range w {
				w[i] = c.still(t)
			}
			continue
		case strings.HasSuffix(t.Name, "o_proj.weight") || strings.HasSuffix(t.Name, "down_proj.weight"):
			std = initStd / math.Sqrt(float64(2*c.Layers))
		}
		fill(w, tensorKey(seed, t.Name), std)
	}
}

// still is what a norm or a bias begins with, by which it changes nothing.
func (c Config) still(t Tensor) float32 {
	if strings.HasSuffix(t.Name, ".bias") || c.family().onePlus {
		return 0
	}
	return 1
}

// tensorKey gives each tensor a stream of its own, whatever its place in the layout.
func tensorKey(seed [32]byte, name string) uint64 {
	sum := blake3.Sum256(append([]byte(initDomain+"\x00"+name+"\x00"), seed[:]...))
	return binary.LittleEndian.Uint64(sum[:])
}

// fill writes normal-like weights; weight i takes words 6i to 6i+5 of the key's stream, two 24-bit integers from each.
func fill(w []float32, key uint64, std float64) {
	const (
		words = 6
		mask  = 1<<24 - 1
		mean  = 2 * words * mask / 2
	)
	scale := std / (1 << 24)
	for i := range w {
		sum := int64(-mean)
		for j := range words {
			z := mix(key + (uint64(i)*words+uint64(j)+1)*0x9e3779b97f4a7c15)
			sum += int64(z&mask) + int64(z>>40)
		}
		w[i] = float32(float64(sum) * scale)
	}
}

// mix is SplitMix64's finaliser (Steele, Lea, Flood 2014, variant 13 of Stafford).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
