package outer

import (
	"errors"
	"fmt"
	"slices"
)

const (
	clipFrom  = 3       // updates: of two, neither is the odd one
	clipRatio = 2       // times the median: "far above" it. Honest norms at equal work differ by some ten per cent
	maxTokens = 1 << 53 // in all: integers up to here are exact in float64
)

// weigh returns w_i·c_i of the package comment: an update's share of the tokens, less where its norm is far above the
// median's.
func weigh(updates []Update, norms []float64) ([]float64, error) {
	if len(updates) == 0 {
		return nil, errors.New("no updates")
	}
	var tokens uint64
	for i, u := range updates {
		if u.Tokens == 0 || u.Tokens > maxTokens-tokens {
			return nil, fmt.Errorf("update %d counts %d tokens: it must be at least 1, and all together at most %d", i, u.Tokens, uint64(maxTokens))
		}
		tokens += u.Tokens
	}
	sorted := slices.Sorted(slices.Values(norms))
	median := sorted[(len(sorted)-1)/2]
	weights := make([]float64, len(updates))
	for i, u := range updates {
		weights[i] = float64(u.Tokens) / float64(tokens)
		if len(updates) >= clipFrom && norms[i] > clipRatio*median {
			weights[i] *= median / norms[i]
		}
	}
	return weights, nil
}
