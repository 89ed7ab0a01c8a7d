package p2p

import (
	"bufio"
	"context"
	"io"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/stream"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// zeros is a blob of so many zeros, and its own store.
type zeros struct {
	size  uint64
	id    proto.ID
	reads *atomic.Int64 // times that it was hashed
}

func newZeros(t testing.TB, size uint64) zeros {
	z := zeros{size: size, reads: new(atomic.Int64)}
	tree, err := z.Tree()
	if err != nil {
		t.Fatal(err)
	}
	z.id = tree.Root()
	z.reads.Store(0)
	return z
}

func (z zeros) OpenBlob(proto.ID) (blob.Blob, error) { return z, nil }
func (z zeros) Size() uint64                         { return z.size }
func (z zeros) Close() error                         { return nil }
func (z zeros) Urgent() bool                         { return true }

func (z zeros) ReadAt(b []byte, _ int64) (int, error) {
	clear(b)
	return len(b), nil
}

func (z zeros) Tree() (proto.Tree, error) {
	z.reads.Add(1)
	return proto.ReadTree(io.NewSectionReader(z, 0, int64(z.size)), z.size)
}

// offers asks for so many on one stream, and takes none.
func offers(t testing.TB, from, to *Network, id proto.ID, n int) {
	s, err := from.host.NewStream(context.Background(), peer.ID(to.ID()), to.blobID)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Reset() }()
	r := bufio.NewReader(s)
	for range n {
		if err := stream.WriteMessage(s, &murmurv1.BlobRequest{Id: id[:]}); err != nil {
			t.Fatal(err)
		}
		head := new(murmurv1.BlobHeader)
		if err := stream.ReadMessage(r, 1<<20, head); err != nil {
			t.Fatal(err)
		}
		if !head.Found || len(head.Leaves) == 0 {
			t.Fatalf("no offer: %v", head)
		}
	}
}

// TestOffersAreHashedOnce asks for offers again and again: a blob is read once.
func TestOffersAreHashedOnce(t *testing.T) {
	z := newZeros(t, 5<<20)
	a := start(t, 1, func(p *Params) { p.Blobs = z })
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "it is connected", func() bool { return len(b.Connected()) == 1 })
	offers(t, b, a, z.id, 50)
	offers(t, b, a, z.id, 50)
	if n := z.reads.Load(); n != 1 {
		t.Errorf("the blob was hashed %d times", n)
	}
}

// TestSpare has blobs served to no stranger for a while, and counts what strangers drew before.
func TestSpare(t *testing.T) {
	z := newZeros(t, 5<<20)
	var member atomic.Bool
	a := start(t, 1, func(p *Params) { p.Blobs, p.Known = z, func(proto.PeerID) bool { return member.Load() } })
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "it is connected", func() bool { return len(b.Connected()) == 1 })
	dir := t.TempDir()
	fetch := func(name string, limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		return b.Fetch(ctx, blob.Fetch{ID: z.id, Size: z.size, MaxSize: z.size, Path: filepath.Join(dir, name), Sources: []proto.PeerID{a.ID()}})
	}
	if err := fetch("first", 20*time.Second); err != nil || a.Drawn() < z.size {
		t.Fatalf("%d bytes were drawn, %v", a.Drawn(), err)
	}
	drawn := a.Drawn()
	a.Spare(true)
	if err := fetch("second", 2*time.Second); err == nil || a.Drawn() != drawn {
		t.Errorf("a stranger drew %d bytes more, %v", a.Drawn()-drawn, err)
	}
	member.Store(true)
	if err := fetch("third", 20*time.Second); err != nil || a.Drawn() != drawn {
		t.Errorf("who takes part counts for %d bytes, %v", a.Drawn()-drawn, err)
	}
}

// TestOutsidersAnswers: answers to a stranger count as what it drew, as far as they went, and stop where blobs do.
func TestOutsidersAnswers(t *testing.T) {
	const size = 1 << 20
	var member atomic.Bool
	a := start(t, 1, func(p *Params) { p.Sync, p.Known = longSync(size), func(proto.PeerID) bool { return member.Load() } })
	b := start(t, 2, bootstrap(a))
	until(t, b, 10*time.Second, "it is connected", func() bool { return len(b.Connected()) == 1 })
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := b.Request(ctx, a.ID(), &murmurv1.SyncRequest{Have: [][]byte{make([]byte, 32)}})
		return err
	}
	if err := ask(); err != nil || a.Drawn() < size || a.Drawn() > size+size/100 {
		t.Fatalf("%d bytes were drawn, %v", a.Drawn(), err)
	}
	drawn := a.Drawn()
	a.Spare(true)
	if err := ask(); err == nil || a.Drawn() != drawn {
		t.Errorf("a stranger drew %d bytes more, %v", a.Drawn()-drawn, err)
	}
	member.Store(true)
	if err := ask(); err != nil || a.Drawn() != drawn {
		t.Errorf("who takes part counts for %d bytes, %v", a.Drawn()-drawn, err)
	}
}

// TestOutsiders says who takes no part: in an open swarm whoever is not known to, by a node that founded it and by one that joined
// before it had the manifest; nobody among members.
func TestOutsiders(t *testing.T) {
	empty, err := membership.New(membership.Params{Swarm: prototest.Swarm, Self: prototest.Peer(1)})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		list *membership.List
		want bool
	}{
		"the founder of an open swarm": {nil, true},
		"who joined it":                {empty, true},
		"a member":                     {memberBook(t, 1, nil, communityKey), false},
	} {
		n := &Network{params: Params{Known: func(p proto.PeerID) bool { return p == prototest.Peer(2) }}, gate: admission{list: c.list}}
		if n.outsider(peer.ID(prototest.Peer(2))) || n.outsider(peer.ID(prototest.Peer(3))) != c.want {
			t.Errorf("%s: a stranger is an outsider: %v, want %v", name, !c.want, c.want)
		}
	}
}

// BenchmarkOffer is the CPU of one that is not taken, of a blob of 1 GB.
func BenchmarkOffer(b *testing.B) {
	z := newZeros(b, 1<<30)
	p, q := testParams(1), testParams(2)
	p.Blobs = z
	server, err := New(context.Background(), p)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	q.Bootstrap = server.Addrs()
	client, err := New(context.Background(), q)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for len(client.Connected()) == 0 {
		<-client.PeerChanges()
	}
	before := cpu(b)
	b.ResetTimer()
	for range b.N { // a stream each, or the server remembers
		offers(b, client, server, z.id, 1)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
