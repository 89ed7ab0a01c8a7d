package proto

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"sync"

	"lukechampine.com/blake3"
)

// LeafSize is the unit in which blobs (payloads, states) are hashed, asked for
// and verified: ranges of whole leaves verify alone.
const LeafSize = 1 << 20

// blobDomain keeps a blob's root from ever equalling the hash of a message.
const blobDomain = "murmur/blob/1\x00"

// Tree is the list of leaf hashes of a blob, two levels deep: 1 GiB of state
// needs 32 KiB of leaf hashes, so no deeper tree is worth its code.
type Tree struct {
	Size   uint64
	Leaves []ID
}

// LeafCount is how many leaves a blob of size bytes has.
func LeafCount(size uint64) int { return int((size + LeafSize - 1) / LeafSize) }

// HashBlob hashes a blob that is in memory, on all cores.
func HashBlob(b []byte) Tree {
	t := Tree{Size: uint64(len(b)), Leaves: make([]ID, LeafCount(uint64(len(b))))}
	workers := min(runtime.GOMAXPROCS(0), len(t.Leaves))
	if workers <= 1 {
		for i := range t.Leaves {
			t.Leaves[i] = Sum(b[i*LeafSize : min((i+1)*LeafSize, len(b))])
		}
		return t
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(t.Leaves); i += workers {
				t.Leaves[i] = Sum(b[i*LeafSize : min((i+1)*LeafSize, len(b))])
			}
		})
	}
	wg.Wait()
	return t
}

// ReadTree hashes a blob of the given size from a reader.
func ReadTree(r io.Reader, size uint64) (Tree, error) {
	t := Tree{Size: size}
	buf := make([]byte, min(LeafSize, size))
	for left := size; left > 0; {
		n := min(LeafSize, left)
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return Tree{}, fmt.Errorf("reading a blob of %d bytes: %w", size, err)
		}
		t.Leaves = append(t.Leaves, Sum(buf[:n]))
		left -= n
	}
	return t, nil
}

// Root is the blob's ID: the hash of its size and leaf hashes.
func (t Tree) Root() ID {
	h := blake3.New(32, nil)
	_, _ = h.Write([]byte(blobDomain))
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, t.Size))
	for _, l := range t.Leaves {
		_, _ = h.Write(l[:])
	}
	return ID(h.Sum(nil))
}

// Bytes is the leaf hashes end to end.
func (t Tree) Bytes() []byte {
	b := make([]byte, 0, 32*len(t.Leaves))
	for _, l := range t.Leaves {
		b = append(b, l[:]...)
	}
	return b
}

// ParseTree reads leaf hashes and checks them against the blob's ID.
func ParseTree(id ID, size uint64, leaves []byte) (Tree, error) {
	if size > MaxBlob {
		return Tree{}, fmt.Errorf("blob of %d bytes, at most %d are allowed", size, uint64(MaxBlob))
	}
	if len(leaves) != 32*LeafCount(size) {
		return Tree{}, fmt.Errorf("a blob of %d bytes has %d leaves, %d bytes of hashes came", size, LeafCount(size), len(leaves))
	}
	t := Tree{Size: size, Leaves: make([]ID, LeafCount(size))}
	for i := range t.Leaves {
		t.Leaves[i] = ID(leaves[32*i : 32*i+32])
	}
	if t.Root() != id {
		return Tree{}, fmt.Errorf("leaf hashes do not add up to blob %s", id.Short())
	}
	return t, nil
}
