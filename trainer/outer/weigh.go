package outer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/murmurnet/murmur/trainer/codec"
)

const (
	maxTokens = 1 << 53 // in all: integers up to here are exact in float64
	crowd     = 3       // updates from which on their median says what is usual
	rise      = 2       // times the scale that commits had before: how far fewer updates may go
	ofPair    = 1.25    // of the outer rate, where two updates of 1 bit are listed
	memory    = 8       // commits after which a scale that was usual once is nearly forgotten
)

// Counted returns what each of a commit's claims of tokens counts for: up to their lower median, or whoever claims most
// would own the mean.
func Counted(claims []uint64) []uint64 {
	if len(claims) == 0 {
		return nil
	}
	median := slices.Sorted(slices.Values(claims))[(len(claims)-1)/2]
	counted := slices.Clone(claims)
	for i := range counted {
		counted[i] = min(counted[i], median)
	}
	return counted
}

// weigh returns w_i of the package comment: an update's share of the tokens.
func weigh(updates []Update) ([]float64, error) {
	if len(updates) == 0 {
		return nil, errors.New("no updates")
	}
	claims := make([]uint64, len(updates))
	for i, u := range updates {
		if u.Tokens == 0 || u.Tokens > maxTokens/uint64(len(updates)) {
			return nil, fmt.Errorf("update %d counts %d tokens: it must be at least 1, and all together at most %d", i, u.Tokens, uint64(maxTokens))
		}
		claims[i] = u.Tokens
	}
	counted := Counted(claims)
	var all uint64
	for _, n := range counted {
		all += n
	}
	weights := make([]float64, len(updates))
	for i, n := range counted {
		weights[i] = float64(n) / float64(all)
	}
	return weights, nil
}

// usual bounds the scales of a commit's chunks by the package comment, and carries on in past what they usually are; nil
// where nothing is bounded.
func (s Settings) usual(past []float32) codec.Most {
	if s.Mean == MeanPlain {
		return nil
	}
	return func(c int, scales []float32) float32 {
		slices.Sort(scales)
		if len(scales) < crowd {
			for len(scales) > 1 && scales[0] == 0 {
				scales = scales[1:] // who has nothing there does not say how much is usual
			}
		}
		most, was := scales[(len(scales)-1)/2], past[c]
		if len(scales) < crowd && was > 0 {
			most = min(most, rise*was)
		}
		if past[c] = most; most < was {
			past[c] = was - float32((was-most)/memory)
		}
		return most
	}
}
