package states

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/token"
)

// ReadTheta reads a kept state's parameters, from the protocol's states or from the daily ones.
func ReadTheta(d home.Dir, k api.Kept, theta []float32) error {
	err := chain.ReadPrefix(d.Path(home.States), k.Root, replica.Bytes(theta))
	if errors.Is(err, fs.ErrNotExist) {
		err = chain.ReadPrefix(d.Path(chain.DailyFolder), k.Root, replica.Bytes(theta))
	}
	if err != nil {
		return fmt.Errorf("the state of round %d: %w", k.Height, err)
	}
	return nil
}

// Exported reads a kept state's parameters and what the model began with. An adapter is added to its base.
func Exported(d home.Dir, k api.Kept) (e checkpoint.Export, err error) {
	raw, err := d.Manifest()
	if err != nil {
		return e, err
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return e, err
	}
	e.Config = m.Model.Config
	e.Theta = make([]float32, e.Config.Layout().Params())
	if err := ReadTheta(d, k, e.Theta); err != nil {
		return e, err
	}
	e.Card = card(m, raw, k)
	files, err := library.Open(d.Path(home.Files))
	if err != nil {
		return e, err
	}
	e.Origin = &checkpoint.Origin{Files: map[string][]byte{}}
	if o := m.Model.Origin; o != nil {
		b := make([]byte, o.Size)
		if err := files.ReadInto(b, o.ID); err != nil {
			return e, fmt.Errorf("what lay beside the model that the swarm began with: %w", err)
		}
		if e.Origin, err = checkpoint.ParseOrigin(b); err != nil {
			return e, err
		}
		if w := m.Model.Weights; w != nil && m.Adapter == nil {
			e.Card.Began = "a checkpoint, weights `" + w.ID.String() + "`"
		}
	}
	if m.Adapter != nil {
		if e, err = merged(e, m, seed, files); err != nil {
			return e, err
		}
	}
	return e, addTokenizer(&e, m, files)
}

// merged is the whole model of an export of an adapter.
func merged(e checkpoint.Export, m manifest.Manifest, seed [32]byte, files *library.Library) (checkpoint.Export, error) {
	var paths []string
	for _, b := range m.Model.BaseFiles {
		paths = append(paths, files.Path(b.ID))
	}
	base, err := checkpoint.OpenBase(e.Config, paths)
	if err != nil {
		return e, err
	}
	e.Theta, err = base.Merge(e.Config, e.Theta, model.DrawFrozen(e.Config, seed))
	e.Config = e.Config.Base()
	return e, err
}

// errWhole says that a swarm has no adapter.
var errWhole = errors.New("this swarm trains the whole model and has no adapter: leave out --adapter")

// Adapter reads a kept state's adapter.
func Adapter(d home.Dir, k api.Kept) (a checkpoint.Adapter, err error) {
	raw, err := d.Manifest()
	if err != nil {
		return a, err
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return a, err
	}
	if m.Adapter == nil {
		return a, errWhole
	}
	a = checkpoint.Adapter{
		Config: m.Model.Config, Theta: make([]float32, m.Model.Layout().Params()), Drawn: model.DrawFrozen(m.Model.Config, seed),
		Card: card(m, raw, k),
	}
	return a, ReadTheta(d, k, a.Theta)
}

func card(m manifest.Manifest, raw []byte, k api.Kept) checkpoint.Card {
	c := checkpoint.Card{
		Name: m.Name, Swarm: proto.Sum(raw).String(), State: k.Root.String(), Height: k.Height, Tokens: k.Tokens, Updates: uint64(k.Updates), Authors: k.Authors,
		Method: m.Method.Name, Inner: m.Inner.Optimizer.Kind, Data: describe(m), Began: "weights drawn from the swarm's seed",
	}
	if m.Adapter != nil {
		c.Began = "a model of " + fmt.Sprint(m.Model.Base().Layout().Params()) + " parameters, to which an adapter of rank " + fmt.Sprint(m.Adapter.Rank) + " was trained"
	}
	return c
}

// addTokenizer adds the tokenizer's files that the origin of an export lacks, and what the text begins and ends with.
func addTokenizer(e *checkpoint.Export, m manifest.Manifest, files *library.Library) (err error) {
	raw, t := e.Origin.Files[token.File], token.Bytes()
	if raw != nil {
		if e.Ends = m.Data.Ends; e.Origin.Files[token.ConfigFile] != nil || len(e.Ends) == 0 {
			return nil // it says which tokens end a text
		}
		t, err = token.Parse(raw)
	} else if f := m.Data.Tokenizer; f != nil {
		raw = make([]byte, f.Size)
		if err = files.ReadInto(raw, f.ID); err == nil {
			t, err = token.Parse(raw)
		}
	} else {
		raw, err = token.BytesFile()
	}
	if err != nil {
		return fmt.Errorf("the swarm's tokenizer: %w", err)
	}
	t.SetEnds(m.Data.Ends)
	e.Ends = t.Ends()
	if id, ok := t.Begin(); ok {
		e.Begin = &id
	}
	e.Origin.Files[token.File] = raw
	e.Origin.Files[token.ConfigFile], err = t.WriteConfig()
	return errors.Join(err, e.AddEnds())
}

// describe names a swarm's data.
func describe(m manifest.Manifest) string {
	switch m.Data.Name {
	case manifest.Shards:
		return fmt.Sprintf("a data set of %d tokens in %d shards", m.Data.Tokens(), len(m.Data.Shards))
	case manifest.Private:
		return "texts that never left their nodes"
	}
	return "Newton's Opticks, bytes as tokens"
}
