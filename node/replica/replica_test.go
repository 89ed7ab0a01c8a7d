package replica

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/proto/wire"
	"github.com/murmurnet/murmur/trainer/outer"
)

const params = 5000

// world is a chain with payloads of one author, on one disk.
type world struct {
	t     *testing.T
	p     Params
	book  *chain.Book
	key   ed25519.PrivateKey
	chain []round.Commit
	own   []round.Update
}

func newWorld(t *testing.T, name string) *world { return newWorldOf(t, name, params) }

// newWorldOf has a model of so many parameters.
func newWorldOf(t *testing.T, name string, params int) *world {
	t.Helper()
	settings, err := outer.Defaults(name)
	if err != nil {
		t.Fatal(err)
	}
	method, err := outer.New(outer.Params{Settings: settings, Tensors: []outer.Tensor{{Shape: []int{4100}}, {Shape: []int{params - 4100}}}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := chain.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	draw := func(v []float32) error {
		for i := range v {
			v[i] = float32(i%7) / 8
		}
		return nil
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	swarm := proto.Sum([]byte("swarm"))
	w := &world{t: t, key: key, p: Params{Method: method, Store: store, Genesis: draw, Size: params}}
	genesis := round.Genesis(swarm, w.fresh().Root(), 10, 100)
	book, err := chain.OpenBook(store, swarm, proto.PeerOf(key.Public().(ed25519.PublicKey)), genesis)
	if err != nil {
		t.Fatal(err)
	}
	w.book, w.chain = book, []round.Commit{genesis}
	return w
}

// fresh makes a replica that is not open yet.
func (w *world) fresh() *Replica {
	r, err := New(w.p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = r.Close() })
	return r
}

// grow makes the next commit, with an update that moves parameters by step, and
// has r adopt it.
func (w *world) grow(r *Replica, step float32) {
	w.t.Helper()
	local := slices.Clone(r.Theta())
	for i := range local {
		local[i] -= step * float32(1+i%3)
	}
	parent := w.chain[len(w.chain)-1]
	payload, err := w.p.Method.Encode(nil, outer.Round{Height: parent.Height + 1, Tokens: parent.Tokens}, r.Theta(), local)
	if err != nil {
		w.t.Fatal(err)
	}
	id, size, err := w.p.Store.PutPayload(w.book.Self, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	sealed, err := wire.Update{
		Author: w.book.Self, Parent: parent.ID, Height: parent.Height + 1, Seq: parent.Height + 1, Tokens: 10,
		Payload: id, Size: size,
	}.Seal(w.book.Swarm, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	u := w.book.AddUpdate(sealed)
	draft := round.Derive(round.Config{StepTokens: 100, SeqLen: 10, HMin: 1, HMax: 100, Snapshot: 6}, parent, []round.Update{u}, nil, nil)
	if draft.Root, err = r.Compute(parent, []round.Update{u}); err != nil {
		w.t.Fatal(err)
	}
	draft.Closer = u.Author
	c, err := w.book.Write(w.key, draft)
	if err != nil {
		w.t.Fatal(err)
	}
	before := slices.Clone(r.Theta())
	moved, err := r.Adopt(c)
	if err != nil {
		w.t.Fatal(err)
	}
	if want := distance(before, r.Theta(), c.ID); moved != want || want == 0 {
		w.t.Errorf("round %d moved the model by %g, want %g", c.Height, moved, want)
	}
	w.chain, w.own = append(w.chain, c), append(w.own, u)
}

// open opens a replica at a commit.
func (w *world) open(head round.Commit) (*Replica, error) {
	r := w.fresh()
	return r, r.Open(w.book, head)
}

func TestReplayGivesTheSameStates(t *testing.T) {
	for _, method := range []string{outer.Bitloco, outer.DiLoCo, outer.SparseLoCo} {
		t.Run(method, func(t *testing.T) { replays(t, newWorld(t, method)) })
	}
}

func replays(t *testing.T, w *world) {
	r, why := w.open(w.chain[0])
	if why != nil {
		t.Fatal(why)
	}
	states := [][]float32{slices.Clone(r.state)}
	for i := range 4 {
		w.grow(r, 0.01*float32(i+1))
		states = append(states, slices.Clone(r.state))
		if i == 1 {
			if err := r.Save(); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := make([]float32, len(r.state))
	for h, want := range states {
		if err := r.StateAt(w.chain[h], got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("state at height %d differs after replay", h)
		}
	}
	again, why := w.open(w.chain[4])
	if why != nil || again.Head().Height != 4 || !slices.Equal(again.state, states[4]) || len(again.Theta()) != params {
		t.Fatalf("opened at height %d: %v", again.Head().Height, why)
	}
}

// TestManyPayloads applies a commit of 64 updates: it takes no more memory for that than three of their payloads do.
func TestManyPayloads(t *testing.T) {
	const large = 1 << 23 // parameters: a payload of 1 MiB
	w := newWorldOf(t, outer.Bitloco, large)
	r, why := w.open(w.chain[0])
	if why != nil {
		t.Fatal(why)
	}
	payload, err := w.p.Method.Encode(nil, outer.Round{Height: 1}, r.Theta(), make([]float32, large))
	if err != nil {
		t.Fatal(err)
	}
	var us []round.Update
	for i := range 64 {
		payload[len(payload)-1-i] ^= 1
		id, size, err := w.p.Store.PutPayload(w.book.Self, payload)
		if err != nil {
			t.Fatal(err)
		}
		us = append(us, round.Update{Author: w.book.Self, Payload: id, Size: size, Tokens: 10})
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1)) // what is not used any more is not in the way
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	done := make(chan error)
	go func() {
		_, err := r.Compute(w.chain[0], us)
		done <- err
	}()
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		select {
		case err := <-done:
			tick.Stop()
			if err != nil {
				t.Fatal(err)
			}
			if t.Logf("%d bytes above what there was", most-before); most-before > 3*uint64(len(payload)) {
				t.Errorf("%d bytes are taken for payloads of %d each", most-before, len(payload))
			}
			return
		case <-tick.C:
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
}

func TestDamage(t *testing.T) {
	w := newWorld(t, outer.Bitloco)
	r, _ := w.open(w.chain[0])
	for i := range 4 {
		w.grow(r, 0.02*float32(i+1))
		if i == 1 {
			if err := r.Save(); err != nil { // of height 2
				t.Fatal(err)
			}
		}
	}
	spoil := func(path string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	spoil(w.p.Store.PayloadPath(w.own[3].Payload))
	at3, why := w.open(w.chain[4])
	var lost *LostError
	if at3.Head().Height != 3 || !errors.As(why, &lost) || lost.Payload != w.own[3].Payload {
		t.Fatalf("without the newest payload it opens at height %d: %v", at3.Head().Height, why)
	}
	spoil(w.p.Store.PayloadPath(w.own[2].Payload))
	spoil(w.p.Store.StatePath(w.chain[2].Root))
	at2, why := w.open(w.chain[3])
	if at2.Head().Height != 2 || why == nil {
		t.Fatalf("without the snapshot it is replayed from genesis to height %d: %v", at2.Head().Height, why)
	}
	if _, err := r.Compute(w.chain[2], w.own[2:3]); !errors.As(err, &lost) {
		t.Fatalf("computing with a lost payload: %v", err)
	}
}
