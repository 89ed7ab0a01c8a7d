package outer

import (
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
)

// Method is one way to fold what nodes learned into a shared state. It keeps no state of its own and may be used from
// many goroutines.
type Method interface {
	// Learning says what the method asks of a node between two commits.
	Learning() Learning
	// State is how many values make the shared state: θ comes first, then what else the method needs, which begins with
	// zeros, and what scales are usual.
	State() int
	// MaxPayload is the length in bytes of the longest payload.
	MaxPayload() int
	// Encode returns the payload of d = head − local, in dst's storage where that is large enough. Where local is nil,
	// head is d itself. It fails with codec.ErrDiverged where d is not finite or absurdly large.
	Encode(dst []byte, r Round, head, local []float32) ([]byte, error)
	// Check says whether bytes from a peer are a payload for a commit of a height; an error is codec.ErrPayload.
	Check(height uint64, payload []byte) error
	// Apply sets dst to the state that the updates, in this order, make of a state: the same bits on every CPU. dst may
	// be state, and is untouched after an error.
	Apply(dst, state []float32, r Round, updates []Update) error
	// AddDecoded adds weight·z to dst, which is as long as θ; weight is −1 … 1.
	AddDecoded(dst []float32, height uint64, payload []byte, weight float32) error
}

// Round is what a method may know of the commit that is made: a pure function of its parent.
type Round struct {
	Height uint64 // the commit's: its parent's and one
	Tokens uint64 // committed up to its parent
}

// Update is one payload of a commit.
type Update struct {
	Payload []byte
	Tokens  uint64 // its author's, at least 1
}

// Learning is what a method asks of a node between two commits.
type Learning struct {
	Gradients bool     // the trainer's model stays at θ(head) and gradients are gathered; else an inner optimizer moves it
	Residual  Residual // where what the swarm lacks is kept
	Decay     float32  // β: what of a residual in a buffer stays when an own update was included
	Mix       float32  // α: the share of its own values that a node keeps where a commit moves θ
	Waits     bool     // nothing is learned between an update and the next commit
	// Scale is what a gradient counts for in the buffer, by the tokens committed; only where there are both.
	Scale func(tokens uint64) float32
}

// Residual is where a node keeps what it learned and its branch lacks.
type Residual int

// The places of a residual.
const (
	InModel  Residual = iota // the local model: d = θ(head) − θ_local
	InBuffer                 // a vector of its own; the local model is at θ(head) when a round begins
	Nowhere                  // nowhere: what a commit leaves out is dropped
)

// Tensor is one of the model's, in the order of the flat vector.
type Tensor struct {
	Shape []int
	Layer int // of the decoder's blocks, from 0; −1 for what is in none
}

func (t Tensor) size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Params describe what a method works on.
type Params struct {
	Tensors  []Tensor
	Settings Settings
	// What the methods need that make optimizer steps of their own, allreduce and distro.
	Optimizer adam.AdamW
	Schedule  schedule.Schedule
}

// Validate says what is wrong with p.
func (p Params) Validate() error {
	for i, t := range p.Tensors {
		if t.size() < 1 {
			return fmt.Errorf("tensor %d has no parameters", i)
		}
	}
	if len(p.Tensors) == 0 {
		return errors.New("a method needs tensors to work on")
	}
	return p.Settings.Validate()
}

// cover is those of the tensors that a fragment holds, as codecs know them.
func (p Params) cover(holds func(Tensor) bool) codec.Cover {
	var c codec.Cover
	for _, t := range p.Tensors {
		from := c.Total
		c.Total += t.size()
		if !holds(t) {
			continue
		}
		cols := 0
		if len(t.Shape) == 2 {
			cols = t.Shape[1]
		}
		c.Ranges = append(c.Ranges, codec.Range{From: from, To: c.Total, Cols: cols})
	}
	return c
}

func all(Tensor) bool { return true }

// New prepares the method that the settings name.
func New(p Params) (Method, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	prepare, ok := map[string]func(Params) (Method, error){
		Bitloco: newBitloco, SparseLoCo: newSparseLoCo, DiLoCo: newWhole, Streaming: newStreaming, FedAvg: newWhole,
		DisTrO: newDisTrO, AllReduce: newAllReduce,
	}[p.Settings.Name]
	if !ok {
		return nil, fmt.Errorf("method %q is not known", p.Settings.Name)
	}
	m, err := prepare(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Settings.Name, err)
	}
	return m, nil
}

// coder turns differences into payloads and takes such payloads off a vector, as trainer/codec states it.
type coder interface {
	Max() int
	Chunks() int
	Encode(dst []byte, head, local []float32) ([]byte, error)
	Check(payload []byte) error
	Subtract(dst, src []float32, terms []codec.Term, most codec.Most) error
}

// terms checks the payloads of a commit and gives each its weight, share of the tokens times rate.
func terms(c coder, updates []Update, rate float64) ([]codec.Term, error) {
	for i, u := range updates {
		if err := c.Check(u.Payload); err != nil {
			return nil, fmt.Errorf("apply update %d: %w", i, err)
		}
	}
	weights, err := weigh(updates)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	ts := make([]codec.Term, len(updates))
	for i, u := range updates {
		ts[i] = codec.Term{Payload: u.Payload, Weight: float64(weights[i] * rate)}
	}
	return ts, nil
}

// addDecoded adds weight·z to dst.
func addDecoded(c coder, dst []float32, payload []byte, weight float32) error {
	if !(weight >= -1 && weight <= 1) {
		return fmt.Errorf("add payload: weight %g is not between -1 and 1", weight)
	}
	return c.Subtract(dst, dst, []codec.Term{{Payload: payload, Weight: float64(-weight)}}, nil)
}

// sized refuses vectors of another length.
func sized(what string, want int, vectors ...[]float32) error {
	for _, v := range vectors {
		if len(v) != want {
			return fmt.Errorf("%s: a vector of %d values, want %d", what, len(v), want)
		}
	}
	return nil
}
