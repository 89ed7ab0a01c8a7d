package data

import (
	_ "embed" // the text below
	"fmt"
)

// ByteVocab is the vocabulary size of text whose bytes are its tokens.
const ByteVocab = 256

// heldoutShare is the divisor of the part that is never trained on: the last tenth.
const heldoutShare = 10

//go:embed opticks.txt
var opticks string

// Opticks returns the embedded text, 567,198 bytes of UTF-8.
func Opticks() []byte { return []byte(opticks) }

// Bytes turns text into tokens, one a byte, each below [ByteVocab].
func Bytes(text []byte) []int32 {
	tokens := make([]int32, len(text))
	for i, b := range text {
		tokens[i] = int32(b)
	}
	return tokens
}

// Params describes a data set.
type Params struct {
	Tokens []int32 // the whole text, in order; kept, not copied
	SeqLen int     // tokens a sample predicts
}

// Validate reports why no data set can be made of p.
func (p Params) Validate() error {
	if p.SeqLen < 1 {
		return fmt.Errorf("sequence length %d: it must be at least 1", p.SeqLen)
	}
	if held := len(p.Tokens) / heldoutShare; held <= p.SeqLen {
		return fmt.Errorf("a text of %d tokens holds out %d, too few for one sample of %d: use a longer text or a shorter sequence",
			len(p.Tokens), held, p.SeqLen+1)
	}
	return nil
}

// Dataset is a text cut into a part to train on and, its last tenth, a part to test on.
type Dataset struct {
	Train, Heldout []int32
	SeqLen         int
}

// New cuts a text.
func New(p Params) (*Dataset, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("data set: %w", err)
	}
	cut := len(p.Tokens) - len(p.Tokens)/heldoutShare
	return &Dataset{Train: p.Tokens[:cut:cut], Heldout: p.Tokens[cut:], SeqLen: p.SeqLen}, nil
}

// Samples is how many samples the training part has. Sample i predicts tokens i·SeqLen+1 … (i+1)·SeqLen, so that
// every token but the first and a short tail is predicted once an epoch.
func (d *Dataset) Samples() int { return (len(d.Train) - 1) / d.SeqLen }

// Sample copies the SeqLen+1 tokens of sample i, 0 ≤ i < Samples(), to the front of dst.
func (d *Dataset) Sample(i int, dst []int32) {
	copy(dst[:d.SeqLen+1], d.Train[i*d.SeqLen:])
}

// Fill copies the SeqLen+1 tokens of the sample at a position to dst, in the order of a key.
func (d *Dataset) Fill(dst []int32, key [32]byte, position uint64) error {
	d.Sample(int(Permute(key, uint64(d.Samples()), position)), dst)
	return nil
}
