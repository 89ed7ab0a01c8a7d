package replica

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Disk is where a node's chain and replica lie.
type Disk struct {
	Store    *chain.Store
	Library  *library.Library
	Manifest manifest.Manifest
	Seed     [32]byte // of the weights, where the manifest names none
	Swarm    proto.ID
	Self     proto.PeerID
	Method   outer.Method
}

// FromDisk opens chain and replica; why says what is damaged there.
func FromDisk(d Disk) (book *chain.Book, rep *Replica, why, err error) {
	rep, err = New(Params{Method: d.Method, Store: d.Store, Genesis: d.initial, Size: d.Manifest.Model.Layout().Params()})
	if err != nil {
		return nil, nil, nil, err
	}
	if book, err = chain.OpenBook(d.Store, d.Swarm, d.Self, Genesis(d.Manifest, d.Swarm, rep.Root())); err != nil {
		return nil, nil, nil, errors.Join(err, rep.Close())
	}
	head, _ := book.Marks()
	return book, rep, rep.Open(book, head), nil
}

// Genesis is the commit before all rounds of a swarm, whose state has a root.
func Genesis(m manifest.Manifest, swarm, root proto.ID) round.Commit {
	step := uint64(m.Inner.Batch) * uint64(m.Model.SeqLen)
	f := m.Fork
	if f == nil {
		return round.Genesis(swarm, root, m.Rounds.H, step)
	}
	c := round.Genesis(swarm, root, f.H, step)
	c.Tokens, c.Cursor = f.Tokens, f.Cursor
	return c
}

// initial writes the θ that the swarm began with.
func (d Disk) initial(theta []float32) error {
	w := d.Manifest.Model.Weights
	if w == nil {
		model.Draw(theta, d.Manifest.Model.Config, d.Seed)
		return nil
	}
	err := d.Library.ReadInto(Bytes(theta), w.ID)
	if errors.Is(err, chain.ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the swarm's initial weights are damaged on this disk (%w): start again, and they are fetched from peers", err)
	}
	return err
}
