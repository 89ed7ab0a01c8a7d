package node_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
	"github.com/murmurnet/murmur/trainer/outer"
)

// rogue is a member of an invite-only swarm who left its daemon for programs of its own: it
// draws keys, enters them by the one invite that it has, lists them in commits, and serves
// and announces what it made.
type rogue struct {
	t      *testing.T
	swarm  proto.ID
	key    ed25519.PrivateKey
	self   proto.PeerID
	invite membership.Invite
	node.Taken
	net     *p2p.Network
	mu      sync.Mutex
	commits map[proto.ID]*murmurv1.Commit
	made    []round.Commit
	seq     uint64
	asked   atomic.Int64 // times that it was asked for what it made
	silent  atomic.Bool  // asked, it never answers
}

// rogueAt takes the place of a stopped daemon.
func rogueAt(t *testing.T, s *swarm, d *daemon, invite membership.Invite) *rogue {
	t.Helper()
	r := &rogue{t: t, swarm: s.id, invite: invite, commits: map[proto.ID]*murmurv1.Commit{}, seq: 1 << 20}
	var err error
	if r.key, err = d.dir.Identity(); err != nil {
		t.Fatal(err)
	}
	r.self = proto.PeerOf(r.key.Public().(ed25519.PublicKey))
	if r.Taken, err = node.Take(d.dir); err != nil {
		t.Fatal(err)
	}
	saved, err := invite.Enter(s.id, r.self, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := founding.Membership(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := membership.New(membership.Params{Swarm: s.id, Self: r.self, Keys: m.Public(), Saved: saved})
	if err != nil {
		t.Fatal(err)
	}
	bootstrap, err := d.dir.Bootstrap()
	if err != nil {
		t.Fatal(err)
	}
	p := p2p.Params{
		Key: r.key, Swarm: s.id, Version: "0.1.0", Bootstrap: bootstrap, Members: list, Blobs: r, Sync: r, Log: slog.New(slog.DiscardHandler),
	}
	s.net.Tune(d.i)(&p)
	if r.net, err = p2p.New(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rogue) end() {
	if err := r.net.Close(); err != nil {
		r.t.Error(err)
	}
	if err := r.Store.Close(); err != nil {
		r.t.Error(err)
	}
}

// OpenBlob serves the payloads that it still has.
func (r *rogue) OpenBlob(id proto.ID) (blob.Blob, error) {
	b, err := r.Store.OpenBlob(id)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

// HandleSync answers with what it made.
func (r *rogue) HandleSync(ctx context.Context, _ proto.PeerID, req *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	res := &murmurv1.SyncResponse{}
	r.asked.Add(1)
	if r.silent.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range req.Commits {
		if id, err := proto.IDFrom(b); err == nil && r.commits[id] != nil {
			res.Commits = append(res.Commits, r.commits[id])
		}
	}
	if len(req.Have) > 0 {
		for _, c := range r.made {
			res.Commits = append(res.Commits, r.commits[c.ID])
		}
	}
	return res, nil
}

// follow brings its copy of the chain up to the honest head, which it returns with the newest
// snapshot height but one below it.
func (r *rogue) follow(from proto.PeerID) (head, base round.Commit) {
	head, base = r.Book.Marks()
	res, err := r.net.Request(r.t.Context(), from, &murmurv1.SyncRequest{Have: [][]byte{head.ID[:], base.ID[:]}})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, w := range res.Commits {
		c, us, _, err := r.Book.AddCommit(w)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, u := range us {
			err := r.net.Fetch(r.t.Context(), blob.Fetch{ID: u.Payload, Size: u.Size, MaxSize: u.Size, Path: r.Store.PayloadPath(u.Payload), Sources: []proto.PeerID{from}})
			if err != nil {
				r.t.Fatal(err)
			}
		}
		if err := r.Book.Save(c.ID); err != nil {
			r.t.Fatal(err)
		}
		if c.Height%r.Config.Snapshot == 0 { // the chain below it goes as snapshots come
			if err := r.Replica.Put(c); err != nil {
				r.t.Fatal(err)
			}
		}
		if err := r.Book.SetHead(c.ID); err != nil {
			r.t.Fatal(err)
		}
		head = c
	}
	newest, ok := r.Book.Commit(head.Skip)
	if below, held := r.Book.Commit(newest.Skip); ok && held && head.Height%r.Config.Snapshot != 0 {
		newest = below
	}
	return head, newest
}

const madeUp = 42 // nats

// fresh draws a key; the proof is by the rogue's own invite, or none.
func (r *rogue) fresh(i int, entered bool) (ed25519.PrivateKey, *murmurv1.Proof) {
	seed := proto.Sum(fmt.Appendf(nil, "a key of the rogue's, %d", i))
	key := ed25519.NewKeyFromSeed(seed[:])
	if !entered {
		return key, nil
	}
	return key, r.proof(key)
}

func (r *rogue) proof(key ed25519.PrivateKey) *murmurv1.Proof {
	saved, err := r.invite.Enter(r.swarm, proto.PeerOf(key.Public().(ed25519.PublicKey)), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	var list murmurv1.MemberList
	if err := proto.Decode(saved, proto.MaxMemberList, &list); err != nil {
		r.t.Fatal(err)
	}
	return list.Proof
}

// update makes one by a key, with a payload like one that honest members made before.
func (r *rogue) update(key ed25519.PrivateKey, proof *murmurv1.Proof, parent round.Commit) round.Update {
	var like round.Update
	for _, like = range r.Book.All() {
		if p, err := r.Store.Payload(like.Payload, like.Author); err == nil {
			_ = p.Close()
			break
		}
	}
	p, err := r.Store.Payload(like.Payload, like.Author)
	if err != nil {
		r.t.Fatal(err)
	}
	bytes := slices.Clone(p.Bytes)
	if err := p.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.seq++
	bytes[len(bytes)/2+int(r.seq/8)%(len(bytes)/4)] ^= 1 << (r.seq % 8) // a commit lists no payload twice
	author := proto.PeerOf(key.Public().(ed25519.PublicKey))
	id, size, err := r.Store.PutPayload(author, bytes)
	if err != nil {
		r.t.Fatal(err)
	}
	u, err := wire.Update{
		Author: author, Parent: parent.ID, Height: parent.Height + 1, Seq: r.seq, Tokens: parent.Cap(),
		High: parent.Cursor, Payload: id, Size: size, Proof: proof,
	}.Seal(r.swarm, key)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.Book.AddUpdate(u)
}

// close makes a commit of updates on a parent, and says so.
func (r *rogue) close(parent round.Commit, us ...round.Update) round.Commit {
	slices.SortFunc(us, func(x, y round.Update) int { return cmp.Compare(x.Author, y.Author) })
	draft := round.Derive(r.Config, parent, us, nil, parent.Notices)
	var err error
	if draft.Root, err = r.Replica.Compute(parent, us); err != nil {
		r.t.Fatal(err)
	}
	draft.Closer = r.self
	c, err := r.Book.Write(r.key, draft)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.commits[c.ID] = r.Book.Raw(c.ID)
	r.made = append(r.made, c)
	r.mu.Unlock()
	if err := r.net.PublishAnnounce(r.t.Context(), r.Book.Announcement(c.ID)); err != nil {
		r.t.Error(err)
	}
	err = r.net.PublishHeartbeat(r.t.Context(), &murmurv1.Heartbeat{
		Swarm: r.swarm[:], Head: c.ID[:], Height: c.Height, State: "training", IntervalMs: 5000,
		HeldoutHeight: c.Height / r.Config.Snapshot * r.Config.Snapshot, HeldoutLoss: madeUp, // it was never its turn
	})
	if err != nil {
		r.t.Error(err)
	}
	return c
}

// peace is how long a round takes while the rogue only listens, once nobody waits for who left.
func (r *rogue) peace(s *swarm) time.Duration {
	listen := func(rounds uint64) {
		for end := s.highest + rounds; s.highest < end; r.follow(s.all[1].n.State().Peer) {
			s.reach(s.highest + 2)
		}
	}
	listen(4)
	calm := time.Now()
	listen(6)
	return s.meanRound(calm)
}

// lose stops daemons for good.
func (s *swarm) lose(ds ...*daemon) {
	for _, d := range ds {
		s.away[d] = time.Now().Add(time.Hour)
		d.stop()
		for !s.ended(d) {
			time.Sleep(look)
		}
	}
}

// largest is the largest parameter of a stopped daemon's model.
func largest(t *testing.T, d *daemon) (most float64) {
	taken, err := node.Take(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Store.Close() }()
	for _, v := range taken.Replica.Theta() {
		most = max(most, math.Abs(float64(v)))
	}
	return most
}

// TestKeysDrawnOnTheSpot has a member of an invite-only swarm of five draw keys and list
// them in commits on the base, on the head and in a chain of commits: without proofs, and
// entered by its own invite, which is good for one. Nobody follows it.
func TestKeysDrawnOnTheSpot(t *testing.T) {
	root := t.TempDir()
	simtest.Run(t, simtest.Params{Seed: 5}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.Bitloco, root, 5)
		s.inviteOnly = true
		s.change = func(m *manifest.Manifest) { m.Rounds.SnapshotEvery = 5 }
		defer s.end()
		s.found()
		for len(s.all) < 6 {
			s.join()
		}
		s.reach(6)                      // ten seconds a round
		out, gone := s.all[4], s.all[5] // the rogue, and one who is to be revoked
		keyOut, err := gone.dir.Identity()
		if err != nil {
			t.Fatal(err)
		}
		revoked := proto.PeerOf(keyOut.Public().(ed25519.PublicKey))
		s.lose(out, gone)
		if err := s.all[0].n.Revoke(revoked); err != nil {
			t.Fatal(err)
		}
		r := rogueAt(t, s, out, out.invite)
		defer r.end()
		peace := r.peace(s)
		lowest := map[*daemon]uint64{}
		from := s.highest
		began := time.Now()
		watch := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				s.run(look)
				for _, h := range s.up() {
					height := h.n.State().Head.Height
					if height+1 < lowest[h] {
						t.Errorf("node %d was taken back from height %d to %d", h.i, lowest[h], height)
					}
					lowest[h] = max(lowest[h], height)
				}
			}
		}
		keys := 0
		attempts := 12
		if racing {
			attempts = 4 // each way once
		}
		// Six rounds tell how long one takes; with every round held up, twice the attempts end it.
		for attempt := 0; attempt < attempts || attempt < 2*12 && s.highest < from+6; attempt++ {
			head, base := r.follow(s.all[1].n.State().Peer)
			parent := []round.Commit{base, head}[attempt%2]
			entered := attempt%4 > 1
			for range 3 { // until no honest member is left in the roster
				var us []round.Update
				for range []int{1, 6, 24}[attempt%3] {
					keys++
					key, proof := r.fresh(keys, entered)
					us = append(us, r.update(key, proof, parent))
				}
				parent = r.close(parent, us...)
			}
			if attempt == 8 { // an accomplice passes the revoked member's work on
				r.close(head, r.update(keyOut, nil, head), r.update(r.key, r.proof(r.key), head))
			}
			watch(10 * time.Second)
		}
		pace := s.meanRound(began)
		t.Logf("%d keys in %d commits, %d rounds; one takes %v, %v before", keys, len(r.made), s.highest-from, pace, peace)
		if s.highest < from+6 || pace > peace*5/4 {
			t.Errorf("%d rounds, one takes %v, %v before", s.highest-from, pace, peace)
		}
		if r.asked.Load() == 0 {
			t.Error("nobody looked at what the rogue made")
		}
		honest := map[proto.PeerID]int{}
		rounds := 0
		for _, o := range s.all[0].n.Rounds(from + 1) { // what the two learned before they went may be in the first
			rounds++
			for _, p := range o.Included {
				honest[p]++
			}
			if len(o.Included) > 4+1 { // an invite for one gives one place, to whichever key
				t.Errorf("%d are in round %d", len(o.Included), o.Height)
			}
		}
		for _, d := range s.all[:4] {
			if in := honest[d.n.State().Peer]; in < rounds-1 {
				t.Errorf("node %d is in %d of %d rounds", d.i, in, rounds)
			}
		}
		if honest[revoked] > 0 {
			t.Errorf("the revoked member is in %d rounds", honest[revoked])
		}
		s.agree()
		for _, d := range s.all[:4] {
			for _, p := range d.n.Curve(from + r.Config.Snapshot) {
				if p.Loss == madeUp {
					t.Errorf("node %d believes a loss of height %d that nobody measured", d.i, p.Height)
				}
			}
		}
		victim := s.all[1]
		s.lose(victim)
		if most := largest(t, victim); most > 2 {
			t.Errorf("the largest parameter is %g", most)
		}
	})
}

// TestRogueCloses has one of five close commits one after the other on each head: served, each
// of which costs a check, and announced alone, each of which costs a question that nobody
// answers. Rounds go on at four fifths of their pace at least.
func TestRogueCloses(t *testing.T) {
	for name, silent := range map[string]bool{"served": false, "announced alone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			simtest.Run(t, simtest.Params{Seed: 6}, func(t *testing.T, net *simtest.Swarm) {
				s := newSwarm(t, net, outer.Bitloco, root, 6)
				s.inviteOnly = true
				s.change = func(m *manifest.Manifest) { m.Rounds.SnapshotEvery = 5 }
				defer s.end()
				s.found()
				for len(s.all) < 5 {
					s.join()
				}
				s.reach(6)
				out := s.all[4]
				s.lose(out)
				r := rogueAt(t, s, out, out.invite)
				defer r.end()
				peace := r.peace(s)
				from, began := s.highest, time.Now()
				r.silent.Store(silent)
				rounds := uint64(6)
				if racing {
					rounds = 3
				}
				for attempt := 0; attempt < 24 && s.highest < from+rounds; attempt++ {
					head, _ := r.follow(s.all[1].n.State().Peer)
					for range 8 {
						r.close(head, r.update(r.key, r.proof(r.key), head))
						s.run(look)
					}
					s.run(5 * time.Second)
				}
				pace := s.meanRound(began)
				t.Logf("%d commits, asked for %d times, %d rounds; one takes %v, %v before", len(r.made), r.asked.Load(), s.highest-from, pace, peace)
				if s.highest < from+rounds || pace > peace*5/4 {
					t.Errorf("%d rounds, one takes %v, %v before", s.highest-from, pace, peace)
				}
				if r.asked.Load() == 0 {
					t.Error("nobody asked for what the rogue made")
				}
				r.silent.Store(false)
				s.agree()
			})
		})
	}
}
