package executor

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
	"github.com/murmurnet/murmur/trainer/writer"
)

// fake is a trainer whose model moves when the test says so.
type fake struct {
	theta, vector, m, v []float32
	step                int64
	did                 []string
	fails               string // the call that does not succeed
	killed              error
	kept                worker.Kept // Theta nil: nothing
	saved               int
}

func newFake(size int) *fake {
	return &fake{theta: make([]float32, size), vector: make([]float32, size), m: make([]float32, size), v: make([]float32, size)}
}

func (f *fake) call(what string) error {
	f.did = append(f.did, what)
	if f.fails == what {
		return errors.New("it hangs")
	}
	return nil
}

func (f *fake) Load(_ context.Context, step int64, moments bool) error {
	copy(f.theta, f.vector)
	f.step = step
	return f.call(fmt.Sprint("load ", step, " ", moments))
}

func (f *fake) Run(_ context.Context, r worker.Run) error {
	if r.Paused {
		return f.call("wait")
	}
	return f.call("run")
}

func (f *fake) Capture(_ context.Context, _ worker.Capture) (worker.Captured, error) {
	copy(f.vector, f.theta)
	return worker.Captured{Step: f.step, Loss: 2}, f.call("capture")
}

func (f *fake) Add(context.Context) error {
	for i, d := range f.vector {
		f.theta[i] += d
	}
	return f.call("add")
}

func (f *fake) Set(context.Context) error { copy(f.theta, f.vector); return f.call("set") }

func (f *fake) Heldout(context.Context) (float64, error) { return 3, f.call("heldout") }

func (f *fake) Generate(context.Context, writer.Request, func(string)) error {
	return f.call("generate")
}

func (f *fake) Vector() []float32         { return f.vector }
func (f *fake) Moments() (m, v []float32) { return f.m, f.v }
func (f *fake) Kill(why error)            { f.killed = why }
func (f *fake) Saved()                    { f.saved++ }

func (f *fake) Kept() (worker.Kept, bool) { return f.kept, f.kept.Theta != nil }

// keep has it keep its model as it is.
func (f *fake) keep() { f.kept = worker.Kept{Theta: slices.Clone(f.theta), Step: f.step} }

// learn takes steps that move every parameter down.
func (f *fake) learn(steps int64, by float32) {
	f.step += steps
	for i := range f.theta {
		f.theta[i] -= by
		f.m[i], f.v[i] = 1, 2
	}
}

// bench is an executor on a disk of its own, driven as the loop does.
type bench struct {
	t      *testing.T
	x      *Executor
	board  *status.Board
	key    ed25519.PrivateKey
	posted []round.Event
	m      manifest.Manifest
	store  *chain.Store
}

func newBench(t *testing.T, dir string) *bench {
	t.Helper()
	b := &bench{t: t, key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), m: manifest.Default()}
	b.m.Name = "bench"
	b.m.Model.Vocab, b.m.Model.Dim, b.m.Model.Layers, b.m.Model.Heads, b.m.Model.KVHeads, b.m.Model.HeadDim, b.m.Model.FFN, b.m.Model.SeqLen = 256, 8, 1, 1, 1, 8, 16, 16
	self, swarm, log := proto.PeerOf(b.key.Public().(ed25519.PublicKey)), proto.Sum([]byte("bench")), slog.New(slog.DiscardHandler)
	method, err := b.m.Outer()
	b.must(err)
	b.store, err = chain.Open(dir)
	b.must(err)
	book, rep, why, err := replica.FromDisk(replica.Disk{Store: b.store, Manifest: b.m, Swarm: swarm, Self: self, Method: method})
	b.must(errors.Join(why, err))
	diary := event.New(log)
	b.board, err = status.New(status.Params{Self: self, Swarm: swarm, Diary: diary, Log: log})
	b.must(err)
	b.board.Sized(uint64(b.m.Inner.Batch)*16, uint64(len(rep.Theta())))
	b.board.Enter(round.Status{Head: rep.Head()})
	b.x, _, err = New(Params{
		Manifest: b.m, Swarm: swarm, Self: self, Key: b.key, Method: method, Store: b.store, Book: book, Replica: rep, Heldout: 16,
		Data: AllHere{}, Status: b.board, Diary: diary, Log: log,
		Post:  func(_ context.Context, e round.Event) { b.posted = append(b.posted, e) },
		Proof: func() *murmurv1.Proof { return nil }, Refetch: func(context.Context, replica.LostError) error { return errors.New("nobody has it") },
		Pull: func(context.Context, proto.ID) {}, Measured: func(api.Heldout) {},
	})
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	if err != nil {
		b.t.Helper()
		b.t.Fatal(err)
	}
}

// work runs the executor until use returns; settle waits until it has done all that it was asked.
func (b *bench) work(use func(settle func())) {
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.x.Run(ctx) }()
	b.x.Assign(b.board.Status(), true)
	use(synctest.Wait)
	stop()
	<-done
	b.must(b.store.Close())
}

// publish has the executor publish on its head; nil: it did not.
func (b *bench) publish(settle func()) *round.Update {
	head := b.x.rep.Head()
	b.posted = nil
	b.x.Publish(round.Publish{Parent: head.ID, Height: head.Height + 1, Seq: b.x.seq + 1, Delivered: b.x.delivered, Max: 1 << 20})
	settle()
	for _, e := range b.posted {
		if p, ok := e.(round.Published); ok {
			return &p.Update
		}
	}
	return nil
}

// others makes another node's update for a commit.
func (b *bench) others(parent round.Commit) round.Update {
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{7}, ed25519.SeedSize))
	author, z := proto.PeerOf(key.Public().(ed25519.PublicKey)), make([]float32, len(b.x.rep.Theta()))
	for i := range z {
		z[i] = -.02
	}
	payload, err := b.x.p.Method.Encode(nil, outer.Round{Height: parent.Height + 1, Tokens: parent.Tokens}, z, make([]float32, len(z)))
	b.must(err)
	id, size, err := b.store.PutPayload(author, payload)
	b.must(err)
	u, err := wire.Update{Author: author, Parent: parent.ID, Height: parent.Height + 1, Seq: 1, Tokens: 100, Payload: id, Size: size}.Seal(b.x.p.Swarm, key)
	b.must(err)
	return b.x.book.AddUpdate(u)
}

// commit makes one of updates on a commit.
func (b *bench) commit(parent round.Commit, settle func(), us ...round.Update) round.Commit {
	b.t.Helper()
	draft := round.Derive(b.m.Round(b.x.p.Method, b.x.p.Swarm, b.x.p.Self, chain.TagSize), parent, us, nil, nil)
	draft.Closer = b.x.p.Self
	b.posted = nil
	b.x.Build(round.Build{Draft: draft, Updates: us})
	settle()
	for _, e := range b.posted {
		if built, ok := e.(round.Built); ok {
			return built.Commit
		}
	}
	b.t.Fatalf("no commit was built: %+v", b.posted)
	return round.Commit{}
}

// adopt moves to a commit; more: one on it is at hand.
func (b *bench) adopt(to round.Commit, delivered uint64, more bool) {
	s := round.Status{Head: to}
	b.board.Enter(s)
	e := round.Adopt{From: b.x.rep.Head(), To: to, Delivered: delivered, More: more}
	covers := b.store.Own()
	for _, id := range to.Updates {
		if u, ok := b.x.book.Update(id); ok && u.Author == b.x.p.Self {
			e.Joined = append(e.Joined, round.Own{Update: u, Covers: covers[id]})
		}
	}
	b.x.Adopt(e, s)
}

// TestSession leads a trainer's session through its states: what the trainer is asked, and what its model is in the end beside the shared one.
func TestSession(t *testing.T) {
	const by = 0.01
	for _, c := range []struct {
		name  string
		do    func(b *bench, f *fake, settle func())
		did   string  // beside attaching
		ahead float32 // of θ(head), by which the trainer's model is lower on the mean
		up    bool    // the executor has a trainer
	}{
		{"it begins from nothing", func(*bench, *fake, func()) {}, "", 0, true},
		{"it is told to wait", func(b *bench, _ *fake, settle func()) { b.x.Assign(b.board.Status(), false); settle() }, "wait", 0, true},
		{"it publishes", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			if b.publish(settle) == nil {
				b.t.Error("nothing was published")
			}
		}, "capture", by, true},
		{"there is nothing to publish", func(b *bench, _ *fake, settle func()) {
			if b.publish(settle) != nil {
				b.t.Error("something was published")
			}
		}, "capture", 0, true},
		{"its update is taken in", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			u := b.publish(settle)
			b.adopt(b.commit(b.x.rep.Head(), settle, *u), u.Tokens, false)
			settle()
		}, "capture; add; run; capture", 0, true},
		{"two commits come in a row", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			u := b.publish(settle)
			first := b.commit(b.x.rep.Head(), settle, *u)
			second := b.commit(first, settle, b.others(first))
			b.adopt(first, u.Tokens, true)
			settle()
			if !b.x.behind || !b.x.deltaPending {
				b.t.Errorf("behind %v, a delta pending %v", b.x.behind, b.x.deltaPending)
			}
			b.adopt(second, u.Tokens, false)
			settle()
		}, "capture; add; run; capture", 0, true},
		{"what was at hand does not come", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			u := b.publish(settle)
			b.adopt(b.commit(b.x.rep.Head(), settle, *u), u.Tokens, true)
			time.Sleep(2 * behindLimit)
			settle()
		}, "capture; add; run", 0, true},
		{"an adoption fails, and is made with the next", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			u := b.publish(settle)
			first := b.commit(b.x.rep.Head(), settle, *u)
			second := b.commit(first, settle, b.others(first))
			path := b.store.PayloadPath(u.Payload)
			b.must(os.Rename(path, path+".away"))
			b.adopt(first, u.Tokens, false)
			time.Sleep(refetchTries * refetchLimit)
			settle()
			if b.x.rep.Head().Height != 0 || b.board.Decide().Why == "" {
				b.t.Errorf("it stands at round %d", b.x.rep.Head().Height)
			}
			b.must(os.Rename(path+".away", path))
			b.adopt(second, u.Tokens, false)
			settle()
		}, "capture; add; run; capture", 0, true},
		{"its model diverges", func(b *bench, f *fake, settle func()) {
			f.learn(2, float32(math.NaN()))
			if b.publish(settle) != nil {
				b.t.Error("what is no number was published")
			}
		}, "capture; load 0 false; run", 0, true},
		{"it hangs", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			f.fails = "capture"
			b.publish(settle)
		}, "capture", by, false},
		{"it is detached", func(b *bench, f *fake, settle func()) { b.x.Detach(f) }, "", 0, false},
		{"the device is wanted", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			b.x.Yield(f)
			if !errors.Is(f.killed, ErrYielded) {
				b.t.Errorf("it ended by %v", f.killed)
			}
			b.x.Detach(f)
		}, "capture", by, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, t.TempDir())
				f := newFake(len(b.x.rep.Theta()))
				b.work(func(settle func()) {
					b.must(b.x.Attach(t.Context(), f))
					if got := strings.Join(f.did, "; "); got != "load 0 false; run" || !slices.Equal(f.theta, b.x.rep.Theta()) {
						t.Fatalf("it began by %q", got)
					}
					f.did = nil
					c.do(b, f, settle)
				})
				if got := strings.Join(f.did, "; "); got != c.did {
					t.Errorf("it was asked to %q, want %q", got, c.did)
				}
				var ahead float64
				for i, x := range b.x.rep.Theta() {
					ahead += float64(x-f.theta[i]) / float64(len(f.theta))
				}
				if math.Abs(ahead-float64(c.ahead)) > .2*by {
					t.Errorf("its model is %g from the shared one, want %g", ahead, c.ahead)
				}
				if up := b.x.trainer != nil; up != c.up || !up && c.name == "it hangs" && f.killed == nil {
					t.Errorf("it is up: %v; killed by %v", up, f.killed)
				}
			})
		})
	}
}

// TestSessionFromTheDisk attaches a second trainer after what the first had learned was saved, and after the disk has lost what the chain knows.
func TestSessionFromTheDisk(t *testing.T) {
	const by = 0.01
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		first := newBench(t, dir)
		f := newFake(len(first.x.rep.Theta()))
		first.work(func(settle func()) {
			first.must(first.x.Attach(t.Context(), f))
			f.learn(3, by)
			first.x.Save(func(err error) { first.must(err) })
			settle()
		})
		second := newBench(t, dir)
		g := newFake(len(f.theta))
		second.work(func(settle func()) {
			second.must(second.x.Attach(t.Context(), g))
			settle()
			step := uint64(second.m.Inner.Batch) * 16
			if got := strings.Join(g.did, "; "); got != "load 3 true; run" || g.m[0] != 1 || g.v[0] != 2 || second.x.learnedBefore != 3*step {
				t.Errorf("it began by %q, with moments %g, %g and %d tokens", got, g.m[0], g.v[0], second.x.learnedBefore)
			}
			for i := range g.theta {
				if math.Abs(float64(g.theta[i]-f.theta[i])) > 1e-6 {
					t.Fatalf("parameter %d is %g, and was %g", i, g.theta[i], f.theta[i])
				}
			}
			// The chain takes in an update of this node's that its own disk has never made.
			second.x.seq = 0
			u := second.publish(settle)
			c := second.commit(second.x.rep.Head(), settle, *u)
			second.x.seq = 0
			g.did = nil
			second.adopt(c, u.Tokens, false)
			settle()
			if got := strings.Join(g.did, "; "); got != "capture; add; run; capture" || second.x.learnedBefore != u.Tokens {
				t.Errorf("it was asked to %q, with %d tokens of %d", got, second.x.learnedBefore, u.Tokens)
			}
			for i, x := range second.x.rep.Theta() {
				if math.Abs(float64(g.theta[i]-x)) > 1e-6 {
					t.Fatalf("parameter %d is %g, and the shared one %g", i, g.theta[i], x)
				}
			}
		})
	})
}

// TestRescue ends a trainer that had kept what it learned since the last save, whatever the executor was about, and attaches another.
func TestRescue(t *testing.T) {
	const by = 0.01
	for _, c := range []struct {
		name  string
		do    func(b *bench, f *fake, settle func())
		steps int64   // that the next trainer begins with
		ahead float32 // of θ(head), by which its model is lower on the mean
	}{
		{"nothing is kept", func(*bench, *fake, func()) {}, 3, by},
		{"a crash", func(_ *bench, f *fake, _ func()) { f.learn(2, by); f.keep() }, 5, 2 * by},
		{"what is kept is older than the save", func(b *bench, f *fake, settle func()) {
			f.keep()
			f.learn(2, by)
			b.x.Save(func(err error) { b.must(err) })
			settle()
		}, 5, 2 * by},
		{"the device is wanted while a step goes on", func(b *bench, f *fake, _ func()) {
			f.learn(2, by)
			f.keep()
			f.fails = "capture"
			b.x.Yield(f)
		}, 5, 2 * by},
		{"it fails at a delta", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			f.keep()
			f.fails = "add"
			b.adopt(b.commit(b.x.rep.Head(), settle, b.others(b.x.rep.Head())), 0, false)
			settle()
		}, 5, 2 * by},
		{"it fails behind a delta", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			f.fails = "add"
			b.adopt(b.commit(b.x.rep.Head(), settle, b.others(b.x.rep.Head())), 0, false)
			settle()
			f.keep() // which has the delta
			f.kept.Added = true
		}, 5, 2 * by},
		{"a commit comes after it has failed", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			f.keep()
			f.fails = "capture"
			b.publish(settle)
			b.adopt(b.commit(b.x.rep.Head(), settle, b.others(b.x.rep.Head())), 0, false)
			settle()
		}, 5, 2 * by},
		{"a delta waits", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			f.keep()
			b.adopt(b.commit(b.x.rep.Head(), settle, b.others(b.x.rep.Head())), 0, true)
			settle()
		}, 5, 2 * by},
		{"what is kept is older than what was published", func(b *bench, f *fake, settle func()) {
			f.learn(2, by)
			f.keep()
			f.learn(2, by)
			b.publish(settle)
		}, 3, 3 * by}, // the steps of the moments; the payload has what was learned
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, t.TempDir())
				f, g := newFake(len(b.x.rep.Theta())), newFake(len(b.x.rep.Theta()))
				b.work(func(settle func()) {
					b.must(b.x.Attach(t.Context(), f))
					f.learn(3, by)
					b.x.Save(func(err error) { b.must(err) })
					settle()
					c.do(b, f, settle)
					b.x.Detach(f)
					b.must(b.x.Attach(t.Context(), g))
				})
				var ahead float64
				for i, x := range b.x.rep.Theta() {
					ahead += float64(x-g.theta[i]) / float64(len(g.theta))
				}
				if g.step != c.steps || math.Abs(ahead-float64(c.ahead)) > .3*by {
					t.Errorf("the next begins with %d steps, %.4f from the shared model, want %d and %.4f", g.step, ahead, c.steps, c.ahead)
				}
				if g.m[0] != 1 || g.v[0] != 2 {
					t.Errorf("moments are %g and %g", g.m[0], g.v[0])
				}
				if want := uint64(c.steps) * uint64(b.m.Inner.Batch) * 16; c.steps == 5 && b.x.learnedBefore != want {
					t.Errorf("%d tokens are told, want %d", b.x.learnedBefore, want)
				}
			})
		})
	}
}
