package data

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/shard"
)

// AbsentError says that a shard is not here, or damaged: whoever has the data set must put it there.
type AbsentError struct {
	ID  proto.ID
	err error
}

func (e *AbsentError) Error() string { return fmt.Sprintf("token shard %s: %v", e.ID.Short(), e.err) }
func (e *AbsentError) Unwrap() error { return e.err }

// ShardsParams describes a data set in shards.
type ShardsParams struct {
	Set    shard.Set
	Dir    string // where shards lie, each named by its id
	SeqLen int
}

// Shards is a data set of which some shards are on this disk. Sample i of a shard predicts its tokens i·SeqLen+1 …
// (i+1)·SeqLen; no sample straddles two. It is not safe for concurrent use.
type Shards struct {
	p       ShardsParams
	samples uint64
	order   *Order              // by the key that was last asked for
	open    map[int]*shard.File // at most two windows'
}

// OpenShards prepares to read; shards are opened and verified when they are first needed.
func OpenShards(p ShardsParams) (*Shards, error) {
	if p.SeqLen < 1 {
		return nil, fmt.Errorf("sequence length %d: it must be at least 1", p.SeqLen)
	}
	order, err := NewOrder([32]byte{}, SampleCounts(p.Set, p.SeqLen))
	if err != nil {
		return nil, err
	}
	return &Shards{p: p, samples: order.Samples(), order: order, open: map[int]*shard.File{}}, nil
}

// SampleCounts is how many samples each shard of a set has.
func SampleCounts(set shard.Set, seqLen int) []uint64 {
	counts := make([]uint64, len(set.Shards))
	for i, e := range set.Shards {
		counts[i] = (e.Tokens - 1) / uint64(seqLen)
	}
	return counts
}

// Samples is how many an epoch has.
func (s *Shards) Samples() int { return int(s.samples) }

// Fill copies the SeqLen+1 tokens of the sample at a position to dst, in the order of a key. The error is an AbsentError
// where its shard cannot be read.
func (s *Shards) Fill(dst []int32, key [32]byte, position uint64) error {
	if s.order.key != key {
		order, err := NewOrder(key, s.order.counts)
		if err != nil {
			return err
		}
		s.order = order
	}
	i, sample := s.order.At(position)
	f := s.open[i]
	if f == nil {
		var err error
		if f, err = s.opened(i); err != nil {
			return &AbsentError{s.p.Set.Shards[i].ID, err}
		}
	}
	if err := f.Read(dst[:s.p.SeqLen+1], int(sample)*s.p.SeqLen); err != nil {
		return errors.Join(&AbsentError{s.p.Set.Shards[i].ID, err}, s.close(i))
	}
	return nil
}

// Heldout reads the first tokens of the held-out shard, at most n.
func (s *Shards) Heldout(n int) ([]int32, error) {
	e := s.p.Set.Heldout
	path := filepath.Join(s.p.Dir, e.ID.String())
	if err := shard.Verify(path, e.ID); err != nil {
		return nil, &AbsentError{e.ID, err}
	}
	f, err := shard.Open(path)
	if err != nil {
		return nil, &AbsentError{e.ID, err}
	}
	tokens := make([]int32, min(n, f.Tokens()))
	return tokens, errors.Join(f.Read(tokens, 0), f.Close())
}

// opened verifies and opens a shard: 30 ms for the usual 32 MiB, once in as many positions as it has samples.
func (s *Shards) opened(i int) (*shard.File, error) {
	e := s.p.Set.Shards[i]
	path := filepath.Join(s.p.Dir, e.ID.String())
	if err := shard.Verify(path, e.ID); err != nil {
		return nil, err
	}
	f, err := shard.Open(path)
	if err != nil {
		return nil, err
	}
	if len(s.open) >= 2*WindowShards {
		if err := s.Close(); err != nil { // a new window: few of them are needed any more
			return nil, errors.Join(err, f.Close())
		}
	}
	s.open[i] = f
	return f, nil
}

func (s *Shards) close(i int) error {
	f := s.open[i]
	delete(s.open, i)
	return f.Close()
}

// Close closes the files.
func (s *Shards) Close() error {
	var errs []error
	for i := range s.open {
		errs = append(errs, s.close(i))
	}
	return errors.Join(errs...)
}
