package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/murmurnet/murmur/trainer/model"
)

// Sampling says how the next token is chosen.
type Sampling struct {
	Temperature float64 `json:"temperature"` // divides the logits; 0 takes the likeliest token
	TopK        int     `json:"top_k"`       // draw among this many likeliest tokens; 0 = all
	TopP        float64 `json:"top_p"`       // and among the fewest likeliest whose probabilities reach this (Holtzman et al. 2019); 0 = all
	Seed        uint64  `json:"seed"`        // of the draws: equal logits and seed give equal text
}

// Validate reports the first field out of its range.
func (s Sampling) Validate() error {
	if !(s.Temperature >= 0) || math.IsInf(s.Temperature, 0) {
		return fmt.Errorf("eval: temperature is %g, want 0 or more", s.Temperature)
	}
	if s.TopK < 0 {
		return fmt.Errorf("eval: top-k is %d, want 0 (all) or more", s.TopK)
	}
	if !(s.TopP >= 0 && s.TopP <= 1) {
		return fmt.Errorf("eval: top-p is %g, want 0 (all) to 1", s.TopP)
	}
	return nil
}

// nextGraph makes the logits after the token at a position int32 [1], float32 [vocab], of the hidden states of one sample. What stands behind the
// position has no effect, by causality.
func (e *Evaluator) nextGraph(norm, head, hidden, position *graph.Node) *graph.Node {
	row := graph.Gather(hidden, graph.Reshape(position, 1, 1))
	return graph.Reshape(model.Head(e.model, model.Compute{}, norm, head, row), e.model.Vocab)
}

// Generate continues a prompt of at least one token by n tokens, each given to emit as it is drawn; it ends early
// when emit returns false or ctx ends. The model sees the last SeqLen tokens. A token costs one forward pass.
func (e *Evaluator) Generate(ctx context.Context, theta []float32, prompt []int32, n int, s Sampling, emit func(token int32) bool) (err error) {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(prompt) == 0 {
		return errors.New("eval: the prompt is empty, want at least one token")
	}
	if err := e.inVocabulary(prompt); err != nil {
		return err
	}
	params, err := e.layout.Upload(e.backend, theta)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.Free(params)) }()

	seq := e.model.SeqLen
	seen := slices.Clone(prompt[max(0, len(prompt)-seq):])
	draws := rand.New(rand.NewPCG(s.Seed, 0))
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		window := make([]int32, e.model.Positions(len(seen)))
		copy(window, seen)
		var token int32
		err := e.next.run(params, tensors.FromFlatDataAndDimensions(window, 1, len(window)), tensors.FromFlatDataAndDimensions([]int32{int32(len(seen) - 1)}, 1),
			func(logits []float32) { token = s.choose(logits, draws) })
		if err != nil {
			return fmt.Errorf("eval: forward pass: %w", err)
		}
		if !emit(token) {
			return nil
		}
		if seen = append(seen, token); len(seen) > seq {
			seen = slices.Delete(seen, 0, 1)
		}
	}
	return nil
}

// choose draws a token; equal logits rank by their number, so the order is total.
func (s Sampling) choose(logits []float32, draws *rand.Rand) int32 {
	ranked := make([]int32, len(logits))
	for i := range ranked {
		ranked[i] = int32(i)
	}
	slices.SortStableFunc(ranked, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
	if s.Temperature == 0 {
		return ranked[0]
	}
	if s.TopK > 0 && s.TopK < len(ranked) {
		ranked = ranked[:s.TopK]
	}
	weights := make([]float64, len(ranked))
	var sum float64
	for i, token := range ranked {
		weights[i] = math.Exp(float64(logits[token]-logits[ranked[0]]) / s.Temperature)
		sum += weights[i]
	}
	if s.TopP > 0 {
		var reached float64
		for i, w := range weights {
			if reached += w; reached >= s.TopP*sum {
				weights, sum = weights[:i+1], reached
				break
			}
		}
	}
	left := draws.Float64() * sum
	for i, w := range weights {
		if left -= w; left < 0 {
			return ranked[i]
		}
	}
	return ranked[0]
}
