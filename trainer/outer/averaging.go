package outer

import (
	"fmt"

	"github.com/murmurnet/murmur/trainer/codec"
)

// averaging folds the mean of what was sent into θ, with Nesterov's momentum or without. Those of its parts that do not
// cover the whole model take turns, a part a round.
type averaging struct {
	settings Settings
	learning Learning
	total    int // parameters
	chunks   int // of all parts
	parts    []part
}

// part is what one round moves.
type part struct {
	ranges []codec.Range
	from   int                  // its first chunk
	coder  func(Settings) coder // for the settings of a round
	reader coder                // reads what any of them wrote
}

// newPart uses one codec whatever the settings.
func newPart(over codec.Cover, c coder) part {
	return part{ranges: over.Ranges, coder: func(Settings) coder { return c }, reader: c}
}

func (a *averaging) part(height uint64) *part { return &a.parts[height%uint64(len(a.parts))] }

func (a *averaging) Learning() Learning { return a.learning }

func (a *averaging) State() int { return a.vectors()*a.total + a.chunks }

// vectors are θ and the momentum, if any.
func (a *averaging) vectors() int {
	if a.settings.Momentum > 0 {
		return 2
	}
	return 1
}

func (a *averaging) MaxPayload() int {
	most := 0
	for _, p := range a.parts {
		most = max(most, p.reader.Max())
	}
	return most
}

func (a *averaging) Encode(dst []byte, r Round, head, local []float32) ([]byte, error) {
	at, _ := a.settings.At(r.Tokens)
	return a.part(r.Height).coder(at).Encode(dst, head, local)
}

func (a *averaging) Check(height uint64, payload []byte) error {
	return a.part(height).reader.Check(payload)
}

func (a *averaging) AddDecoded(dst []float32, height uint64, payload []byte, weight float32) error {
	return addDecoded(a.part(height).reader, dst, payload, weight)
}

// Apply is the package comment's: without momentum θ ← θ − α·Δ. With it,
// m ← μ·m + Δ and θ ← θ − α·(Δ + μ·m), in terms that need no vector beside the two: first θ ← θ − αμ²·m and m ← μ·m, then
// both move by Δ.
func (a *averaging) Apply(dst, state []float32, r Round, updates []Update) error {
	if err := sized("apply", a.State(), dst, state); err != nil {
		return err
	}
	at, _ := a.settings.At(r.Tokens)
	p := a.part(r.Height)
	rate := float64(1)
	if at.Momentum == 0 {
		rate = at.rate(len(updates))
	}
	ts, err := terms(p.reader, updates, rate)
	if err != nil {
		return err
	}
	n, rest := a.total, a.vectors()*a.total
	if &dst[0] != &state[0] {
		copy(dst[rest:], state[rest:])
	}
	most := a.settings.usual(dst[rest+p.from:])
	if at.Momentum == 0 {
		return p.reader.Subtract(dst[:n:n], state[:n:n], ts, most)
	}
	copy(dst[:rest], state)
	theta, m := dst[:n:n], dst[n:rest:rest]
	a.coast(theta, m, p.ranges, at)
	shift, gain := make([]codec.Term, len(ts)), make([]codec.Term, len(ts))
	for i, t := range ts {
		shift[i] = codec.Term{Payload: t.Payload, Weight: float64(t.Weight * float64(at.OuterLR*(1+at.Momentum)))}
		gain[i] = codec.Term{Payload: t.Payload, Weight: -t.Weight}
	}
	first, again := twice(most, p.reader.Chunks())
	if err := p.reader.Subtract(theta, theta, shift, first); err != nil {
		return err
	}
	return p.reader.Subtract(m, m, gain, again)
}

// rate is α, which makes up for what the mean of several loses: a lone update counts once at most. Where two signs differ
// nothing moves, and nothing can be trimmed, so of two 1-bit updates the rest counts for more: 1.938 nats in place of 1.963
// (150 steps of 0.87M parameters), and 2.166 in place of 2.220 where one of the two is noise.
func (s Settings) rate(updates int) float64 {
	switch {
	case updates == 1:
		return min(s.OuterLR, 1)
	case updates == 2 && s.Bits == 1:
		return ofPair * s.OuterLR
	default:
		return s.OuterLR
	}
}

// twice asks most once for what two subtractions need.
func twice(most codec.Most, chunks int) (first, again codec.Most) {
	if most == nil {
		return nil, nil
	}
	bounds := make([]float32, chunks)
	return func(c int, scales []float32) float32 {
		bounds[c] = most(c, scales)
		return bounds[c]
	}, func(c int, _ []float32) float32 { return bounds[c] }
}

// coast moves θ by the momentum that there was, and lets that decay.
func (a *averaging) coast(theta, m []float32, ranges []codec.Range, s Settings) {
	mu := float32(s.Momentum)
	share := float32(s.OuterLR * float64(s.Momentum*s.Momentum))
	split(ranges, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			theta[i] -= float32(share * m[i])
			m[i] = float32(mu * m[i])
		}
	})
}

// learning of a method whose residual its settings place.
func (s Settings) learning() Learning {
	if s.Residual == ResidualBuffer {
		decay := s.Decay
		if decay == 0 {
			decay = 1
		}
		return Learning{Residual: InBuffer, Decay: float32(decay)}
	}
	return Learning{Residual: InModel, Mix: float32(s.Mix)}
}

func newBitloco(p Params) (Method, error) {
	whole := p.cover(all)
	bits, err := p.apart(func(c codec.Cover) (coder, error) {
		if p.Settings.Bits == 1 {
			return codec.NewOneBit(c, int(p.Settings.Chunk))
		}
		return codec.NewTwoBit(c, int(p.Settings.Chunk))
	})
	if err != nil {
		return nil, err
	}
	return p.averaging(whole.Total, newPart(whole, bits)), nil
}

func newSparseLoCo(p Params) (Method, error) {
	c := p.cover(all)
	by := map[uint32]coder{}
	for _, keep := range p.Settings.keeps() {
		s, err := p.apart(func(c codec.Cover) (coder, error) { return codec.NewSparse(c, int(p.Settings.Chunk), int(keep)) })
		if err != nil {
			return nil, err
		}
		by[keep] = s
	}
	return p.averaging(c.Total, part{
		ranges: c.Ranges, reader: by[p.Settings.Keep], coder: func(s Settings) coder { return by[s.Keep] },
	}), nil
}

// formats are Values' by name.
var formats = map[string]codec.Format{"fp32": codec.FP32, "fp16": codec.FP16, "int8": codec.Int8, "fp4": codec.FP4}

// newWhole is for diloco and fedavg, which differ in their settings alone.
func newWhole(p Params) (Method, error) { return newDense(p, 1) }

func newStreaming(p Params) (Method, error) {
	layers := 0
	for _, t := range p.Tensors {
		layers = max(layers, t.Layer+1)
	}
	if f := int(p.Settings.Fragments); f > max(layers, 1) {
		return nil, fmt.Errorf("method.fragments = %d is out of range: the model has %d layers", f, layers)
	}
	return newDense(p, int(p.Settings.Fragments))
}

// newDense sends every coordinate of a fragment. Fragment k of f has the layers k, k+f, k+2f … (Streaming DiLoCo's strided
// pattern); what is in no layer goes with the first.
func newDense(p Params, fragments int) (Method, error) {
	var parts []part
	total := 0
	for k := range fragments {
		c := p.cover(func(t Tensor) bool { return max(t.Layer, 0)%fragments == k })
		v, err := codec.NewValues(c, int(p.Settings.Chunk), formats[p.Settings.Values])
		if err != nil {
			return nil, err
		}
		parts, total = append(parts, newPart(c, v)), c.Total
	}
	return p.averaging(total, parts...), nil
}

func (p Params) averaging(total int, parts ...part) *averaging {
	a := &averaging{settings: p.Settings, learning: p.Settings.learning(), total: total, parts: parts}
	for i := range parts {
		parts[i].from = a.chunks
		a.chunks += parts[i].reader.Chunks()
	}
	return a
}
