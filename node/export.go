package node

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/checkpoint"
)

// Newest asks for the newest state that is held.
const Newest = -1

// Keep puts the state of a height, or the Newest, on this node's disk as a whole, where it stays at least until the next
// snapshot height.
func (n *Node) Keep(ctx context.Context, height int64) (k api.Kept, err error) {
	if n.book.Load() == nil {
		return k, errStarting
	}
	err = n.hand.ask(ctx, func(context.Context) error {
		k, err = keep(n.hand.rep, n.book.Load(), height)
		return err
	})
	return k, err
}

// Keep is Node.Keep for a directory that no daemon works in.
func (d Dir) Keep(height int64) (k api.Kept, err error) {
	raw, err := d.Manifest()
	if err != nil {
		return k, fmt.Errorf("%s has no model yet: run murmur up until the node has found its swarm", d)
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return k, err
	}
	log := slog.New(slog.DiscardHandler)
	n := &Node{p: Params{Dir: d, Log: log}, log: log, diary: event.New(log), swarm: proto.Sum(raw), manifest: m}
	defer func() {
		if closed := n.Close(); err == nil {
			err = closed
		}
	}()
	unlock, err := d.lock()
	if err != nil {
		return k, err
	}
	n.releases = append(n.releases, unlock)
	if n.store, err = chain.Open(string(d)); err != nil {
		return k, err
	}
	n.releases = append(n.releases, n.store.Close)
	if n.library, err = d.Library(); err != nil {
		return k, err
	}
	if n.method, err = newMethod(m); err != nil {
		return k, err
	}
	book, rep, why, err := n.openReplica(m, seed)
	if err != nil {
		return k, err
	}
	if why != nil && height == Newest {
		return k, fmt.Errorf("the newest state is damaged on this disk (%w): murmur up fetches it again, or take round %d with --height", why, rep.Head().Height)
	}
	return keep(rep, book, height)
}

// openReplica opens chain and replica from the disk; why says what is damaged there.
func (n *Node) openReplica(m manifest.Manifest, seed [32]byte) (book *chain.Book, rep *replica.Replica, why, err error) {
	theta, err := n.initial(m, seed)
	if err != nil {
		return nil, nil, nil, err
	}
	initial, root := replica.Initial(n.method, theta)
	genesis := round.Genesis(n.swarm, root, m.Rounds.H, uint64(m.Inner.Batch)*uint64(m.Model.SeqLen))
	if book, err = chain.OpenBook(n.store, n.swarm, n.self, genesis); err != nil {
		return nil, nil, nil, err
	}
	head, _ := book.Marks()
	rep, why = replica.Open(replica.Params{
		Method: n.method, Book: book, Store: n.store, Genesis: func() ([]float32, error) { return n.initial(m, seed) },
	}, initial, head)
	return book, rep, why, nil
}

func keep(rep *replica.Replica, book *chain.Book, height int64) (k api.Kept, err error) {
	head := rep.Head()
	_, base := book.Marks()
	c := head
	authors := map[proto.PeerID]bool{}
	for at, ok := head, true; ok && at.Height > base.Height; at, ok = book.Commit(at.Parent) {
		for _, id := range at.Updates {
			if u, ok := book.Update(id); ok {
				authors[u.Author] = true
				k.Updates++
			}
		}
	}
	for height >= 0 && c.Height != uint64(height) {
		parent, ok := book.Commit(c.Parent)
		if !ok || c.Height <= base.Height || uint64(height) > c.Height {
			return k, fmt.Errorf("the state of round %d is not held: this node has rounds %d to %d", height, base.Height, head.Height)
		}
		c = parent
	}
	k.Height, k.Root, k.Tokens, k.Authors = c.Height, c.Root, c.Tokens, len(authors)
	return k, rep.Put(c)
}

// Exported reads a kept state's parameters and what the model began with.
func (d Dir) Exported(k api.Kept) (e checkpoint.Export, err error) {
	raw, err := d.Manifest()
	if err != nil {
		return e, err
	}
	m, _, err := manifest.Decode(raw)
	if err != nil {
		return e, err
	}
	e.Config = m.Model.Config()
	e.Theta = make([]float32, e.Config.Layout().Params())
	if err := chain.ReadPrefix(d.path("states"), k.Root, replica.Bytes(e.Theta)); err != nil {
		return e, fmt.Errorf("the state of round %d: %w", k.Height, err)
	}
	e.Card = checkpoint.Card{
		Name: m.Name, Swarm: proto.Sum(raw).String(), State: k.Root.String(), Height: k.Height, Tokens: k.Tokens, Updates: uint64(k.Updates), Authors: k.Authors,
		Method: m.Method.Name, Inner: m.Inner.Optimizer, Data: describe(m), Began: "weights drawn from the swarm's seed",
	}
	files, err := d.Library()
	if err != nil {
		return e, err
	}
	if t := m.Data.Tokenizer; t != nil {
		b := make([]byte, t.Size)
		if err := files.ReadInto(b, t.ID); err != nil {
			return e, fmt.Errorf("the swarm's tokenizer: %w", err)
		}
		e.Origin = &checkpoint.Origin{Files: map[string][]byte{checkpoint.TokenizerFile: b}}
	}
	if o := m.Model.Origin; o != nil {
		b := make([]byte, o.Size)
		if err := files.ReadInto(b, o.ID); err != nil {
			return e, fmt.Errorf("what lay beside the model that the swarm began with: %w", err)
		}
		if e.Origin, err = checkpoint.ParseOrigin(b); err != nil {
			return e, err
		}
		e.Card.Began = "a checkpoint, weights `" + m.Model.Weights.ID.String() + "`"
	}
	return e, nil
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
