package worker

import (
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/shard"
	"github.com/murmurnet/murmur/trainer/token"
)

// The data sets.
const (
	DataOpticks = "opticks" // the embedded text
	DataPrivate = "private" // the texts in Spec.Folder, which no other node has
	DataShards  = shard.SetName
)

// MaxLess is as often as a step can be laid out smaller: the largest batch halved down to one sample, and each block computed twice.
const MaxLess = 17

// Spec is what a child is to train: the same for all of its life.
type Spec struct {
	Backend   string              `json:"backend,omitempty"` // wanted; empty lets the child choose
	Model     model.Config        `json:"model"`
	Base      []string            `json:"base,omitempty"` // the safetensors files of the model under an adapter
	Draws     [32]byte            `json:"draws,omitzero"` // the seed of what an adapter does not train
	Optimizer optimizer.Optimizer `json:"optimizer"`
	Schedule  schedule.Schedule   `json:"schedule"`
	Batch     int                 `json:"batch"`               // samples a step
	Data      string              `json:"data"`                // DataOpticks, DataPrivate or DataShards
	Folder    string              `json:"folder,omitempty"`    // of the texts, or of the shards, each named by its id
	Set       string              `json:"set,omitempty"`       // the file that lists the shards
	Tokenizer string              `json:"tokenizer,omitempty"` // the file of what turns text into tokens; empty: bytes are tokens
	Ends      []int32             `json:"ends,omitempty"`      // tokens that end a text; none: as the tokenizer says
	Less      int                 `json:"less,omitempty"`      // how many times the step is laid out smaller than memory seems to allow
	Tight     bool                `json:"tight,omitempty"`     // memory is short: arrays that are not in use go back to the kernel, and steps take longer
	Seed      uint64              `json:"seed,omitempty"`      // the peer's, for what is rounded at random
	Heldout   int                 `json:"heldout"`             // tokens of the held-out part that Heldout measures, from its start; 0 for all
}

// step is how a step is laid out where there is no bound on memory. On a processor one that is to take little, by its precision, goes block by
// block: all of the model's matrices at once would be widened at once.
func (s Spec) step() inner.Params {
	return inner.Params{Model: s.Model, Optimizer: s.Optimizer, Batch: s.Batch, Remat: s.short(), Tight: s.Tight, Seed: s.Seed}
}

func (s Spec) short() bool { return s.Optimizer.Precision == optimizer.BF16 }

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
	case s.Batch < 1 || s.Batch > optimizer.MaxBatch:
		return fmt.Errorf("batch is %d, want 1 to %d samples a step", s.Batch, optimizer.MaxBatch)
	case s.Data != DataOpticks && s.Data != DataPrivate && s.Data != DataShards:
		return fmt.Errorf("data set %q is not known: %q, %q and %q are", s.Data, DataOpticks, DataPrivate, DataShards)
	case (s.Data == DataOpticks) != (s.Folder == "") || (s.Data == DataShards) != (s.Set != ""):
		return fmt.Errorf("data set %q, folder %q and list %q do not go together", s.Data, s.Folder, s.Set)
	case s.Less < 0 || s.Less > MaxLess:
		return fmt.Errorf("a step cannot be laid out smaller %d times: 0 to %d", s.Less, MaxLess)
	case s.Heldout < 0:
		return errors.New("a held-out slice cannot have a negative size")
	}
	return nil
}

// tokens turns text into tokens and back.
func (s Spec) tokens() (*token.Tokenizer, error) {
	t := token.Bytes()
	if s.Tokenizer != "" {
		raw, err := os.ReadFile(s.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("the swarm's tokenizer: %w", err)
		}
		if t, err = token.Parse(raw); err != nil {
			return nil, fmt.Errorf("the swarm's tokenizer: %w", err)
		}
	}
	if err := t.Fit(s.Model.Vocab); err != nil {
		return nil, err
	}
	t.SetEnds(s.Ends)
	return t, nil
}

// dataset opens the spec's data: what to train on, and the slice that is held out.
func (s Spec) dataset() (set dataset, heldout []int32, err error) {
	most := math.MaxInt
	if s.Heldout > 0 {
		most = s.Heldout
	}
	if s.Data == DataShards {
		list, err := shard.ReadSet(s.Set)
		if err != nil {
			return nil, nil, err
		}
		if s.Model.Vocab < list.Vocab {
			return nil, nil, fmt.Errorf("a vocabulary of %d is too small for the data set, which has %d tokens", s.Model.Vocab, list.Vocab)
		}
		set, err := data.OpenShards(data.ShardsParams{Set: list, Dir: s.Folder, SeqLen: s.Model.SeqLen})
		if err != nil {
			return nil, nil, err
		}
		heldout, err := set.Heldout(most)
		return set, heldout, err
	}
	text := data.Opticks()
	if s.Data == DataPrivate {
		if text, err = data.Folder(s.Folder); err != nil {
			return nil, nil, err
		}
	}
	t, err := s.tokens()
	if err != nil {
		return nil, nil, err
	}
	d, err := data.New(data.Params{Tokens: t.Append(nil, string(text)), SeqLen: s.Model.SeqLen})
	if err != nil {
		return nil, nil, err
	}
	return d, d.Heldout[:min(most, len(d.Heldout))], nil
}
