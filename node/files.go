package node

import (
	"context"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/trainer/shard"
)

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
