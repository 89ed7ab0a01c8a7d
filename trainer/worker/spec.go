package worker

import (
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
)

// The data sets.
const (
	DataOpticks = "opticks" // the embedded text
	DataPrivate = "private" // the texts in Spec.Folder, which no other node has
)

// Spec is what a child is to train: the same for all of its life.
type Spec struct {
	Backend   string            `json:"backend,omitempty"` // wanted; empty lets the child choose
	Model     model.Config      `json:"model"`
	Optimizer inner.Optimizer   `json:"optimizer"`
	Schedule  schedule.Schedule `json:"schedule"`
	Batch     int               `json:"batch"` // samples a step
	Data      string            `json:"data"`  // DataOpticks or DataPrivate
	Folder    string            `json:"folder,omitempty"`
	Heldout   int               `json:"heldout"` // tokens of the held-out part that Heldout measures, from its start; 0 for all
}

// Validate says what is wrong with the spec.
func (s Spec) Validate() error {
	if err := s.Model.Validate(); err != nil {
		return err
	}
	if err := s.Optimizer.Validate(); err != nil {
		return err
	}
	if err := s.Schedule.Validate(); err != nil {
		return err
	}
	switch {
	case s.Batch < 1 || s.Batch > inner.MaxBatch:
		return fmt.Errorf("batch is %d, want 1 to %d samples a step", s.Batch, inner.MaxBatch)
	case s.Data != DataOpticks && s.Data != DataPrivate:
		return fmt.Errorf("data set %q is not known: %q and %q are", s.Data, DataOpticks, DataPrivate)
	case (s.Data == DataPrivate) != (s.Folder != ""):
		return fmt.Errorf("data set %q and folder %q do not go together", s.Data, s.Folder)
	case s.Heldout < 0:
		return errors.New("a held-out slice cannot have a negative size")
	}
	return nil
}

// dataset opens the spec's data.
func (s Spec) dataset() (*data.Dataset, error) {
	text := data.Opticks()
	if s.Data == DataPrivate {
		var err error
		if text, err = data.Folder(s.Folder); err != nil {
			return nil, err
		}
	}
	d, err := data.New(data.Params{Tokens: data.Bytes(text), SeqLen: s.Model.SeqLen})
	if err != nil {
		return nil, err
	}
	if s.Model.Vocab < data.ByteVocab {
		return nil, fmt.Errorf("a vocabulary of %d is too small for data set %s, which has %d tokens", s.Model.Vocab, s.Data, data.ByteVocab)
	}
	if s.Heldout > len(d.Heldout) && s.Data != DataPrivate { // of a small folder, all that there is
		return nil, fmt.Errorf("a held-out slice of %d tokens is more than data set %s holds out (%d)", s.Heldout, s.Data, len(d.Heldout))
	}
	return d, nil
}
