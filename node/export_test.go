package node

import (
	"errors"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
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
func Take(d home.Dir) (t Taken, err error) {
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
	disk := replica.Disk{Manifest: m, Seed: seed, Swarm: proto.Sum(raw), Self: self}
	var errs [3]error
	disk.Store, errs[0] = chain.Open(string(d))
	disk.Library, errs[1] = library.Open(d.Path(home.Files))
	disk.Method, errs[2] = m.Outer()
	if err := errors.Join(errs[:]...); err != nil {
		return t, err
	}
	book, rep, why, err := replica.FromDisk(disk)
	if err = errors.Join(why, err); err != nil {
		return t, err
	}
	return Taken{m.Round(disk.Method, disk.Swarm, self, chain.TagSize), book, disk.Store, rep}, nil
}
