package manifest

import (
	"errors"
	"fmt"
	"math"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/shard"
)

// validateFiles checks what names files that peers serve.
func (m Manifest) validateFiles() error {
	if err := errors.Join(m.Model.Validate(), m.Membership.validate()); err != nil {
		return err
	}
	w, o, d := m.Model.Weights, m.Model.Origin, m.Data
	params := uint64(m.Model.Layout().Params())
	switch {
	case w != nil && (w.ID.IsZero() || w.Size != 4*params):
		return fmt.Errorf("model.weights: it needs an id, and a size of %d bytes, for %d parameters", 4*params, params)
	case o != nil && (o.ID.IsZero() || o.Size < 1 || o.Size > checkpoint.MaxOrigin):
		return fmt.Errorf("model.origin: it needs an id, and a size of 1 to %d bytes", checkpoint.MaxOrigin)
	case d.Name == Shards:
		return d.Validate()
	case len(d.Shards) > 0 || d.Heldout != (shard.Entry{}):
		return fmt.Errorf("data.name = %q has no shards: with them it is %q", d.Name, Shards)
	case len(d.Ends) > shard.MaxEnds:
		return fmt.Errorf("data.ends: at most %d tokens end a text", shard.MaxEnds)
	case d.Tokenizer == nil && d.Vocab != 0 && d.Vocab != 256:
		return fmt.Errorf("data.vocab = %d without a data.tokenizer: bytes have a vocabulary of 256", d.Vocab)
	case d.Tokenizer != nil && (d.Tokenizer.ID.IsZero() || d.Tokenizer.Size < 1 || d.Tokenizer.Size > shard.MaxTokenizer || d.Vocab < 1):
		return fmt.Errorf("data.tokenizer: it needs an id, a size of 1 to %d bytes, and data.vocab", shard.MaxTokenizer)
	}
	return nil
}

// validateBase checks that there is a model under an adapter, and none without one.
func (m Manifest) validateBase() error {
	switch base := m.Model.BaseFiles; {
	case m.Adapter == nil && len(base) > 0:
		return errors.New("model.base: without [adapter] it is not trained on")
	case m.Adapter != nil && len(base) == 0:
		return errors.New("[adapter] adapts a model: bring it with --from-hf DIR")
	case m.Adapter != nil && m.Model.Origin == nil:
		return errors.New("[adapter] adapts a model that comes with its model.origin")
	case len(base) > maxBase:
		return fmt.Errorf("model.base: %d files, at most %d are fetched", len(base), maxBase)
	default:
		for _, b := range base {
			if b.ID.IsZero() || b.Size < 1 || b.Size > maxBaseFile {
				return fmt.Errorf("model.base: each file needs an id, and a size of 1 to %d bytes", int64(maxBaseFile))
			}
		}
	}
	return nil
}

// Bounds on the files of a model under an adapter.
const (
	maxBase     = 1000
	maxBaseFile = 1 << 38
)

// Files lists what the manifest names beside the shards, and every node keeps.
func (m Manifest) Files() (bs []shard.Blob) {
	for _, b := range []*shard.Blob{m.Model.Weights, m.Model.Origin, m.Data.Tokenizer} {
		if b != nil {
			bs = append(bs, *b)
		}
	}
	bs = append(bs, m.Model.BaseFiles...)
	if h := m.Data.Heldout; !h.ID.IsZero() {
		bs = append(bs, shard.Blob{ID: h.ID, Size: h.Size})
	}
	return bs
}

func encodeBlob(b *shard.Blob) *murmurv1.Blob {
	if b == nil {
		return nil
	}
	return &murmurv1.Blob{Id: b.ID[:], Size: b.Size}
}

func encodeBlobs(bs []shard.Blob) (all []*murmurv1.Blob) {
	for _, b := range bs {
		all = append(all, encodeBlob(&b))
	}
	return all
}

func encodeShard(e shard.Entry) *murmurv1.Shard {
	return &murmurv1.Shard{Id: e.ID[:], Size: e.Size, Tokens: e.Tokens}
}

func encodeData(d shard.Set) *murmurv1.Data {
	w := &murmurv1.Data{Name: d.Name, Vocab: uint32(d.Vocab), Tokenizer: encodeBlob(d.Tokenizer)}
	for _, id := range d.Ends {
		w.Ends = append(w.Ends, uint32(id))
	}
	if !d.Heldout.ID.IsZero() {
		w.Heldout = encodeShard(d.Heldout)
	}
	for _, e := range d.Shards {
		w.Shards = append(w.Shards, encodeShard(e))
	}
	return w
}

// decodeFiles reads data, weights and origin.
func (m *Manifest) decodeFiles(w *murmurv1.Manifest) (err error) {
	blob := func(b *murmurv1.Blob) *shard.Blob {
		if b == nil || err != nil {
			return nil
		}
		var id proto.ID
		id, err = proto.IDFrom(b.Id)
		return &shard.Blob{ID: id, Size: b.Size}
	}
	entry := func(s *murmurv1.Shard) (e shard.Entry) {
		if s == nil || err != nil {
			return e
		}
		e = shard.Entry{Size: s.Size, Tokens: s.Tokens}
		e.ID, err = proto.IDFrom(s.Id)
		return e
	}
	d := w.GetData()
	m.Model.Weights, m.Model.Origin = blob(w.GetModel().GetWeights()), blob(w.GetModel().GetOrigin())
	for _, b := range w.GetModel().GetBase() {
		if b := blob(b); b != nil {
			m.Model.BaseFiles = append(m.Model.BaseFiles, *b)
		}
	}
	m.Data = shard.Set{Name: d.GetName(), Vocab: int(d.GetVocab()), Tokenizer: blob(d.GetTokenizer()), Heldout: entry(d.GetHeldout())}
	for _, id := range d.GetEnds() {
		m.Data.Ends = append(m.Data.Ends, int32(min(id, math.MaxInt32)))
	}
	for _, s := range d.GetShards() {
		m.Data.Shards = append(m.Data.Shards, entry(s))
	}
	return err
}
