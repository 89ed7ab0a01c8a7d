package p2p

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/proto"
)

const fiveLeaves = 5*proto.LeafSize - 12345

func served(t *testing.T, i int, data []byte, wrap func(off int64, b []byte) error) *Network {
	s := &memStore{Wrap: wrap}
	if data != nil {
		s.Add(data)
	}
	return start(t, i, func(p *Params) { p.Blobs = s })
}

func sameFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came that differ from the %d that were served", len(got), len(want))
	}
	if _, err := os.Stat(path + ".part"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the part file stayed: %v", err)
	}
}

func TestFetchSizes(t *testing.T) {
	s := new(memStore)
	a := start(t, 1, func(p *Params) { p.Blobs = s })
	b := start(t, 2, bootstrap(a))
	for name, size := range map[string]int{
		"empty": 0, "one byte": 1, "a leaf": proto.LeafSize, "a leaf and a byte": proto.LeafSize + 1, "five leaves": fiveLeaves,
		"more than a range": 19 * proto.LeafSize,
	} {
		for _, known := range []bool{false, true} {
			data := randomBytes(uint64(size), size)
			f := blob.Fetch{ID: s.Add(data), MaxSize: 32 << 20, Path: filepath.Join(t.TempDir(), "blob"), Sources: []proto.PeerID{a.ID()}}
			if known {
				f.Size = uint64(size)
			}
			if err := b.Fetch(t.Context(), f); err != nil {
				t.Errorf("%s, size known %v: %v", name, known, err)
				continue
			}
			sameFile(t, f.Path, data)
		}
	}
}

func TestFetchDespiteALiarAndADeath(t *testing.T) {
	data := randomBytes(5, fiveLeaves)
	var lies, reads atomic.Int32
	honest := served(t, 1, data, nil)
	liar := served(t, 2, data, func(_ int64, b []byte) error {
		lies.Add(1)
		b[0] ^= 1
		return nil
	})
	var dying *Network
	dying = served(t, 3, data, func(int64, []byte) error {
		if reads.Add(1) == 8 { // half a leaf in
			go func() { _ = dying.host.Network().Close() }()
			return errors.New("gone")
		}
		return nil
	})
	me := start(t, 4, bootstrap(honest, liar, dying))
	until(t, me, 10*time.Second, "all sources are connected", func() bool { return len(me.Connected()) == 3 })
	f := blob.Fetch{
		ID: proto.HashBlob(data).Root(), MaxSize: 8 << 20, Path: filepath.Join(t.TempDir(), "blob"),
		Sources: []proto.PeerID{liar.ID(), dying.ID(), honest.ID()},
	}
	if err := me.Fetch(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	sameFile(t, f.Path, data)
	if lies.Load() == 0 || reads.Load() < 8 {
		t.Errorf("the faults did not happen: %d lies, %d reads at the dying one", lies.Load(), reads.Load())
	}
}

func TestFetchGoesAroundASlowSource(t *testing.T) {
	data := randomBytes(6, fiveLeaves)
	release := make(chan struct{})
	slow := served(t, 1, data, func(int64, []byte) error {
		<-release
		return nil
	})
	t.Cleanup(func() { close(release) }) // before the nodes close
	good := served(t, 2, data, nil)
	me := start(t, 3, bootstrap(slow, good))
	f := blob.Fetch{
		ID: proto.HashBlob(data).Root(), Size: fiveLeaves, MaxSize: 8 << 20, Path: filepath.Join(t.TempDir(), "blob"),
		Sources: []proto.PeerID{slow.ID(), good.ID()},
	}
	const wait = 3 * time.Second // until a source that is silent counts as slow
	began := time.Now()
	if err := me.Fetch(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	sameFile(t, f.Path, data)
	if d := time.Since(began); d > wait+5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestFetchResumes(t *testing.T) {
	data := randomBytes(7, fiveLeaves)
	var served5 [5]atomic.Int32
	a := served(t, 1, data, func(off int64, _ []byte) error {
		served5[off/proto.LeafSize].Add(1)
		return nil
	})
	me := start(t, 2, bootstrap(a))
	path := filepath.Join(t.TempDir(), "blob")
	// An earlier run left leaves 0 to 3, of which leaf 1 is broken on disk.
	part := bytes.Clone(data[:4*proto.LeafSize])
	part[proto.LeafSize+77] ^= 4
	if err := os.WriteFile(path+".part", part, 0o600); err != nil {
		t.Fatal(err)
	}
	f := blob.Fetch{ID: proto.HashBlob(data).Root(), MaxSize: 8 << 20, Path: path, Sources: []proto.PeerID{a.ID()}}
	if err := me.Fetch(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, data)
	for i := range served5 {
		if asked, want := served5[i].Load() > 0, i == 1 || i == 4; asked != want {
			t.Errorf("leaf %d fetched: %v, want %v", i, asked, want)
		}
	}
	// What is longer than the blob is cut, what is whole is not asked for.
	if err := os.WriteFile(path+".part", append(bytes.Clone(data), "tail"...), 0o600); err != nil {
		t.Fatal(err)
	}
	before := served5[0].Load()
	if err := me.Fetch(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	sameFile(t, path, data)
	if served5[0].Load() != before {
		t.Error("a leaf that was there was fetched again")
	}
}

func TestFetchErrors(t *testing.T) {
	data := randomBytes(8, fiveLeaves)
	id := proto.HashBlob(data).Root()
	has := served(t, 1, data, nil)
	hasNot := served(t, 2, nil, nil)
	liar := served(t, 3, data, func(_ int64, b []byte) error {
		b[0] ^= 1
		return nil
	})
	broken := served(t, 4, data, func(int64, []byte) error { return errors.New("bad sector") })
	me := start(t, 5, bootstrap(has, hasNot, liar, broken))
	until(t, me, 10*time.Second, "all sources are connected", func() bool { return len(me.Connected()) == 4 })
	dir := t.TempDir()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		change func(*blob.Fetch)
		absent bool
		says   string
	}{
		"nobody has it":     {change: func(f *blob.Fetch) { f.Sources = []proto.PeerID{hasNot.ID(), hasNot.ID()} }, absent: true, says: hasNot.ID().Short()},
		"a liar alone":      {change: func(f *blob.Fetch) { f.Sources = []proto.PeerID{liar.ID()} }, says: "hash"},
		"a broken disk":     {change: func(f *blob.Fetch) { f.Sources = []proto.PeerID{broken.ID(), hasNot.ID()} }, says: broken.ID().Short()},
		"too large":         {change: func(f *blob.Fetch) { f.MaxSize = 1 << 20 }, says: "bytes"},
		"announced smaller": {change: func(f *blob.Fetch) { f.Size = 2 << 20 }, says: "announced"},
		"no limit":          {change: func(f *blob.Fetch) { f.MaxSize = 0 }, says: "limit"},
		"no source":         {change: func(f *blob.Fetch) { f.Sources = nil }, says: "no peer"},
		"only itself":       {change: func(f *blob.Fetch) { f.Sources = []proto.PeerID{me.ID()} }, says: "did not come"},
		"no such directory": {change: func(f *blob.Fetch) { f.Path = filepath.Join(dir, "none", "blob") }, says: "none"},
		"ended":             {ctx: gone, change: func(*blob.Fetch) {}, says: "canceled"},
	} {
		f := blob.Fetch{ID: id, MaxSize: 8 << 20, Path: filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), Sources: []proto.PeerID{has.ID()}}
		c.change(&f)
		if c.ctx == nil {
			c.ctx = t.Context()
		}
		err := me.Fetch(c.ctx, f)
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %q does not say %q in one line", name, err, c.says)
		case errors.Is(err, fs.ErrNotExist) != (c.absent || name == "no such directory"):
			t.Errorf("%s: %v: wraps fs.ErrNotExist: %v", name, err, !c.absent)
		}
		if _, err := os.Stat(f.Path); err == nil {
			t.Errorf("%s: a file appeared", name)
		}
	}
}

func TestTwoFetchesOfOnePath(t *testing.T) {
	data := randomBytes(9, 1000)
	entered, release := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	a := served(t, 1, data, func(int64, []byte) error {
		if !once.Swap(true) {
			close(entered)
		}
		<-release
		return nil
	})
	me := start(t, 2, bootstrap(a))
	f := blob.Fetch{ID: proto.HashBlob(data).Root(), Size: 1000, MaxSize: 1000, Path: filepath.Join(t.TempDir(), "blob"), Sources: []proto.PeerID{a.ID()}}
	first := make(chan error, 1)
	go func() { first <- me.Fetch(context.Background(), f) }()
	<-entered
	if err := me.Fetch(t.Context(), f); err == nil {
		t.Error("two fetches write one file")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
	sameFile(t, f.Path, data)
}
