package node

import (
	"errors"
	"log/slog"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// Taken is what the directory of a stopped daemon gives to somebody who means harm.
type Taken struct {
	Config  round.Config
	Book    *chain.Book
	Store   *chain.Store
	Replica *replica.Replica
}

// Take opens a stopped daemon's chain and state.
func (d Dir) Take() (t Taken, err error) {
	raw, err := d.Manifest()
	if err != nil {
		return t, err
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return t, err
	}
	self, err := d.Peer()
	if err != nil {
		return t, err
	}
	log := slog.New(slog.DiscardHandler)
	n := &Node{p: Params{Dir: d, Log: log}, log: log, diary: event.New(log), swarm: proto.Sum(raw), self: self, manifest: m}
	var errs [3]error
	n.store, errs[0] = chain.Open(string(d))
	n.library, errs[1] = d.Library()
	n.method, errs[2] = newMethod(m)
	if err := errors.Join(errs[:]...); err != nil {
		return t, err
	}
	book, rep, why, err := n.openReplica(m, seed)
	if err = errors.Join(why, err); err != nil {
		return t, err
	}
	return Taken{roundConfig(m, n.method, n.swarm, self), book, n.store, rep}, nil
}
