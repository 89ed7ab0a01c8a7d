package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/shard"
)

// filesDir is the part of a node's directory for what the manifest names.
const filesDir = "files"

// Library opens the directory's files, for those who found a swarm.
func (d Dir) Library() (*library.Library, error) { return library.Open(d.path(filesDir)) }

// obtainFiles gets what every node keeps of the manifest's files from peers, as far as it is not here; it is false when ctx
// ends before.
func (n *Node) obtainFiles(ctx context.Context, m manifest.Manifest) bool {
	for _, b := range m.Files() {
		if n.library.Has(b) {
			continue
		}
		n.log.Info("Fetching a file that the swarm's manifest names", "id", b.ID, "bytes", b.Size)
		n.view.set(func(v *viewed) {
			v.starting = fmt.Sprintf("fetching a file of %d bytes that the swarm's manifest names", b.Size)
		})
		if !n.obtainFile(ctx, b) {
			return false
		}
	}
	return true
}

// obtainFile asks all connected peers until one has the file.
func (n *Node) obtainFile(ctx context.Context, b shard.Blob) bool {
	const between = time.Second
	for {
		err := n.fetchFile(ctx, b)
		if err == nil {
			return true
		}
		n.view.set(func(v *viewed) {
			v.starting = fmt.Sprintf("fetching a file of %d bytes that the swarm's manifest names: %v; it goes on", b.Size, err)
		})
		select {
		case <-ctx.Done():
			return false
		case <-n.finishing:
			return false
		case <-n.net.PeerChanges():
		case <-time.After(between):
		}
	}
}

// fetchFile asks the connected peers for a file once.
func (n *Node) fetchFile(ctx context.Context, b shard.Blob) error {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	err := n.net.Fetch(ctx, p2p.Fetch{ID: b.ID, Size: b.Size, MaxSize: b.Size, Path: n.library.Path(b.ID), Sources: n.net.Connected()})
	n.store.MakeRoom(err) // for the next try
	return err
}

// initial is the θ that the swarm began with.
func (n *Node) initial(m manifest.Manifest, seed [32]byte) ([]float32, error) {
	config := m.Model.Config()
	w := m.Model.Weights
	if w == nil {
		return model.Init(config, seed), nil
	}
	theta := make([]float32, config.Layout().Params())
	err := n.library.ReadInto(replica.Bytes(theta), w.ID)
	if errors.Is(err, chain.ErrCorrupt) || errors.Is(err, fs.ErrNotExist) {
		n.diary.Add(event.Chain, 0, "the initial weights are damaged on this disk; they are fetched again at the next start")
		return nil, fmt.Errorf("the swarm's initial weights are damaged on this disk (%w): start again, and they are fetched from peers", err)
	}
	return theta, err
}
