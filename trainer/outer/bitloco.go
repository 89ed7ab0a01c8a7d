package outer

import (
	"fmt"

	"github.com/murmurnet/murmur/trainer/codec"
)

// DefaultChunk is how many parameters share a scale.
const DefaultChunk = 4096

// Method is what a node needs of a method whose shared state is θ alone and whose residual is θ(head) − θ_local.
type Method interface {
	// PayloadSize is the length in bytes of every payload.
	PayloadSize() int
	// Encode returns the payload of head − local, in dst's storage where that is large enough.
	Encode(dst []byte, head, local []float32) ([]byte, error)
	// Check says whether bytes from a peer are a payload. The other calls repeat it.
	Check(payload []byte) error
	// Apply sets dst to the state that the updates, in this order, make of head. dst may be head.
	Apply(dst, head []float32, updates []Update) error
	// AddDecoded adds sign·z to dst; sign is 1 or −1.
	AddDecoded(dst []float32, payload []byte, sign float32) error
}

// Update is one payload of a commit.
type Update struct {
	Payload []byte
	Tokens  uint64 // its author's, at least 1
}

// Params describes the vectors that a method works on.
type Params struct {
	Sizes []int // parameters of each tensor, in the order of the layout
	Chunk int   // parameters that share a scale; no chunk straddles two tensors
	Bits  int   // bits a parameter
}

// New prepares the method of a name.
func New(name string, p Params) (Method, error) {
	switch name {
	case "bitloco":
		return NewBitloco(p)
	case "dense":
		return NewDense(p)
	}
	return nil, fmt.Errorf("method %q is not known", name)
}

// Bitloco is the method of that name. It keeps no state and may be used from many goroutines.
type Bitloco struct{ codec *codec.OneBit }

var _ Method = (*Bitloco)(nil)

// NewBitloco prepares for vectors of p's layout.
func NewBitloco(p Params) (*Bitloco, error) {
	if p.Bits != 1 {
		return nil, fmt.Errorf("bitloco: %d bits a parameter: only 1 exists", p.Bits)
	}
	c, err := codec.NewOneBit(p.Sizes, p.Chunk)
	if err != nil {
		return nil, fmt.Errorf("bitloco: %w", err)
	}
	return &Bitloco{codec: c}, nil
}

// PayloadSize is 16 + 4·chunks + about params/8 bytes.
func (b *Bitloco) PayloadSize() int { return b.codec.Size() }

// Encode returns the payload of d = head − local. It fails with codec.ErrDiverged where d is not finite or absurdly large.
func (b *Bitloco) Encode(dst []byte, head, local []float32) ([]byte, error) {
	return b.codec.Encode(dst, head, local)
}

// Check says whether bytes from a peer are a payload; an error is codec.ErrPayload.
func (b *Bitloco) Check(payload []byte) error { return b.codec.Check(payload) }

// Apply sets dst to θ(C) as the package comment states it. dst may be head, and is untouched after an error.
func (b *Bitloco) Apply(dst, head []float32, updates []Update) error {
	norms := make([]float64, len(updates))
	for i, u := range updates {
		if err := b.codec.Check(u.Payload); err != nil {
			return fmt.Errorf("apply update %d: %w", i, err)
		}
		norms[i] = b.codec.Norm(u.Payload)
	}
	weights, err := weigh(updates, norms)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	terms := make([]codec.Term, len(updates))
	for i, u := range updates {
		terms[i] = codec.Term{Payload: u.Payload, Weight: weights[i]}
	}
	return b.codec.Subtract(dst, head, terms)
}

// AddDecoded sets dst to dst + sign·z, with sign 1 or −1: a node's own payload joining or leaving its branch.
func (b *Bitloco) AddDecoded(dst []float32, payload []byte, sign float32) error {
	if sign != 1 && sign != -1 {
		return fmt.Errorf("add payload: sign %g is neither 1 nor -1", sign)
	}
	return b.codec.Subtract(dst, dst, []codec.Term{{Payload: payload, Weight: float64(-sign)}})
}
