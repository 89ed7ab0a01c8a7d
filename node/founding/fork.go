package founding

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/shard"
)

// Fork prepares a swarm that goes on from a state which was kept on this directory's disk: with its parameters, where
// schedule and data stood. Only members of its own belong to it: where the old swarm is closed it gets a community key,
// and nobody is taken over. Shards that this node does not have are taken from a folder that murmur data prepare
// wrote, where one is given.
func Fork(d home.Dir, k api.Kept, prepared string) (*Founding, error) {
	raw, err := d.Manifest()
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Decode(raw)
	if err != nil {
		return nil, err
	}
	theta := make([]float32, m.Model.Layout().Params())
	if err := states.ReadTheta(d, k, theta); err != nil {
		return nil, err
	}
	swarm := proto.Sum(raw)
	f := &Founding{Manifest: m, InviteOnly: !m.Membership.Open()}
	f.Manifest.Name = forkName(m.Name, k.Height)
	f.Manifest.Membership = manifest.Membership{}
	f.Manifest.Model.Weights = f.keep(replica.Bytes(theta))
	f.Manifest.Fork = &manifest.Fork{
		Swarm: swarm, Height: k.Height, Tokens: k.Tokens, Cursor: k.Cursor, H: k.NextH, Order: m.Order(swarm),
	}
	return f, f.takeOver(d, prepared)
}

// forkName tells a fork from its origin, whose name is cut where both do not fit.
func forkName(name string, height uint64) string {
	from := fmt.Sprintf(" (from round %d)", height)
	return strings.ToValidUTF8(name[:min(len(name), manifest.MaxName-len(from))], "") + from
}

// takeOver has all files of the manifest, but for the weights, added from another swarm's directory.
func (f *Founding) takeOver(d home.Dir, prepared string) error {
	from, err := library.Open(d.Path(home.Files))
	if err != nil {
		return err
	}
	m := f.Manifest
	m.Model.Weights = nil
	for _, b := range m.Files() {
		if !from.Has(b) {
			return fmt.Errorf("file %s of the swarm is not on this disk: run murmur up until the node has it", b.ID.Short())
		}
		f.addFile(from.Path(b.ID), b)
	}
	var missing int
	for _, e := range m.Data.Shards {
		b := shard.Blob{ID: e.ID, Size: e.Size}
		path := from.Path(e.ID)
		if !from.Has(b) {
			path = filepath.Join(prepared, shard.Folder, shard.FileName(e.ID))
			if info, err := os.Stat(path); prepared == "" || err != nil || uint64(info.Size()) != e.Size {
				missing++
				continue
			}
		}
		f.addFile(path, b)
	}
	if missing > 0 {
		return fmt.Errorf("%d of the data set's %d shards are not on this disk, and nobody in a new swarm would have them: "+
			"give the folder that murmur data prepare wrote with --data, or do this on the machine that brought the data", missing, len(m.Data.Shards))
	}
	return nil
}
