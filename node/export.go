package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/token"
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
		k, err = keep(n.hand.rep, n.book.Load(), n.store, height)
		return err
	})
	return k, err
}

// Keep is Node.Keep for a directory that no daemon works in.
func (d Dir) Keep(height int64) (k api.Kept, err error) {
	err = d.opened(func(n *Node, book *chain.Book, rep *replica.Replica, why error) (err error) {
		if why != nil && height == Newest {
			return fmt.Errorf("the newest state is damaged on this disk (%w): murmur up fetches it again, or take round %d with --height", why, rep.Head().Height)
		}
		k, err = keep(rep, book, n.store, height)
		return err
	})
	return k, err
}

// opened opens chain and replica of a directory that no daemon works in, for use; why says what is damaged there.
func (d Dir) opened(use func(n *Node, book *chain.Book, rep *replica.Replica, why error) error) (err error) {
	raw, err := d.Manifest()
	if err != nil {
		return fmt.Errorf("%s has no model yet: run murmur up until the node has found its swarm", d)
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return err
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
		return err
	}
	n.releases = append(n.releases, unlock)
	if n.store, err = chain.Open(string(d)); err != nil {
		return err
	}
	n.releases = append(n.releases, n.store.Close)
	if n.library, err = d.Library(); err != nil {
		return err
	}
	if n.method, err = newMethod(m); err != nil {
		return err
	}
	book, rep, why, err := n.openReplica(m, seed)
	if err != nil {
		return err
	}
	return use(n, book, rep, why)
}

// openReplica opens chain and replica from the disk; why says what is damaged there.
func (n *Node) openReplica(m manifest.Manifest, seed [32]byte) (book *chain.Book, rep *replica.Replica, why, err error) {
	theta, err := n.initial(m, seed)
	if err != nil {
		return nil, nil, nil, err
	}
	size := len(theta)
	initial, root := replica.Initial(n.method, theta)
	if book, err = chain.OpenBook(n.store, n.swarm, n.self, genesis(m, n.swarm, root)); err != nil {
		return nil, nil, nil, err
	}
	head, _ := book.Marks()
	rep, why = replica.Open(replica.Params{
		Method: n.method, Book: book, Store: n.store, Genesis: func() ([]float32, error) { return n.initial(m, seed) }, Size: size,
	}, initial, head)
	return book, rep, why, nil
}

// genesis is the commit before all rounds of a swarm.
func genesis(m manifest.Manifest, swarm, root proto.ID) round.Commit {
	step := uint64(m.Inner.Batch) * uint64(m.Model.SeqLen)
	f := m.Fork
	if f == nil {
		return round.Genesis(swarm, root, m.Rounds.H, step)
	}
	c := round.Genesis(swarm, root, f.H, step)
	c.Tokens, c.Cursor = f.Tokens, f.Cursor
	return c
}

func keep(rep *replica.Replica, book *chain.Book, store *chain.Store, height int64) (k api.Kept, err error) {
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
			return keptDaily(k, store.Dailies(), uint64(height), base.Height, head.Height)
		}
		c = parent
	}
	k.Height, k.Root, k.Tokens, k.Cursor, k.NextH, k.Authors = c.Height, c.Root, c.Tokens, c.Cursor, c.NextH, len(authors)
	return k, rep.Put(c)
}

// keptDaily finds a daily state; oldest and newest are the rounds that the node has beside these.
func keptDaily(k api.Kept, days []chain.Daily, height, oldest, newest uint64) (api.Kept, error) {
	var earlier []string
	for _, d := range days {
		if d.Height == height {
			k.Height, k.Root, k.Tokens, k.Cursor, k.NextH = d.Height, d.Root, d.Tokens, d.Cursor, d.NextH
			return k, nil
		}
		earlier = append(earlier, strconv.FormatUint(d.Height, 10))
	}
	has := fmt.Sprintf("this node has rounds %d to %d", oldest, newest)
	if len(earlier) > 0 {
		has += ", and of each day one: " + strings.Join(earlier, ", ")
	}
	return k, fmt.Errorf("the state of round %d is not held: %s", height, has)
}

// readTheta reads a kept state's parameters, from the protocol's states or from the daily ones.
func (d Dir) readTheta(k api.Kept, theta []float32) error {
	err := chain.ReadPrefix(d.path("states"), k.Root, replica.Bytes(theta))
	if errors.Is(err, fs.ErrNotExist) {
		err = chain.ReadPrefix(d.path(chain.DailyFolder), k.Root, replica.Bytes(theta))
	}
	if err != nil {
		return fmt.Errorf("the state of round %d: %w", k.Height, err)
	}
	return nil
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
	if err := d.readTheta(k, e.Theta); err != nil {
		return e, err
	}
	e.Card = checkpoint.Card{
		Name: m.Name, Swarm: proto.Sum(raw).String(), State: k.Root.String(), Height: k.Height, Tokens: k.Tokens, Updates: uint64(k.Updates), Authors: k.Authors,
		Method: m.Method.Name, Inner: m.Inner.Optimizer, Data: describe(m), Began: "weights drawn from the swarm's seed",
	}
	files, err := d.Library()
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
		e.Card.Began = "a checkpoint, weights `" + m.Model.Weights.ID.String() + "`"
	}
	return e, addTokenizer(&e, m, files)
}

// addTokenizer adds the tokenizer's files to an export whose origin has none, and what the text begins and ends with.
func addTokenizer(e *checkpoint.Export, m manifest.Manifest, files *library.Library) (err error) {
	if e.Origin.Files[token.File] != nil {
		e.Ends = m.Data.Ends
		return nil
	}
	raw, t := []byte(nil), token.Bytes()
	if f := m.Data.Tokenizer; f != nil {
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
	return err
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
