package node

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// view is what other goroutines than the loop may see of the node's state.
type view struct {
	mu sync.Mutex
	v  viewed
}

type viewed struct {
	self       proto.PeerID
	status     round.Status
	outcome    api.Outcome
	adoptedAt  time.Time
	changedAt  time.Time // when it last began or ceased to train
	trainer    api.Trainer
	trainerWhy string
	diskWhy    string
	name       string    // the swarm's, once its manifest is here
	starting   string    // what is waited for before the replica can be opened
	stepped    time.Time // when the trainer told last of a step
	outdated   string    // why this murmur is too old for the swarm
	tooLarge   string    // why the swarm does not fit into this machine
	seed       bool      // it does not train
	settings   policy.Settings
	unkept     map[string]string // by file, why the disk did not take what a person wants; never changed in place
	machine    policy.Machine    // what its senses tell
	devices    []api.Device
	trainers   []int // their pids
	limits     api.Limits
	used       api.Usage // this month
	quotaWhy   string    // why the node rests
	quotaEnds  time.Time
	leaving    bool
	learned    uint64
	idle       bool // the trainer has done all that it may in this round
	standings  map[proto.PeerID]*standing
	heldout    api.Heldout // that this node measured last
	stages     api.Stages  // of the round under way
	rounds     []api.Outcome
	counts     api.Counts
	health     []health.Condition
	restarts   []time.Time // of the trainer, the newest
	twice      time.Time   // when a commit came last that proves two updates of this node's key for one parent
	jump       jump        // the newest, since this process began
	share      api.Share   // of this node; get's
	gradient   float64     // bytes of a step's gradient in float32, for each of its tokens
	necessary  uint64      // as in api.Traffic
	allReduce  float64
}

func (w *view) set(f func(*viewed)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.v)
}

func (w *view) get() viewed {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.v
	if s := v.standings[v.self]; s != nil {
		v.share = s.share
	}
	v.standings, v.rounds = nil, nil
	return v
}

func (w *view) enter(s round.Status) {
	w.set(func(v *viewed) {
		if s.Due && v.stages.Due.IsZero() {
			v.stages.Due = time.Now()
		}
		v.status = s
	})
}

func (w *view) status() round.Status { return w.get().status }

func (w *view) decide() policy.Decision {
	v := w.get()
	return policy.Decide(policy.Facts{
		Now: time.Now(), Settings: v.settings, Machine: v.machine,
		Leaving: v.leaving, Done: v.status.Complete, Seed: v.seed, Damaged: v.status.Damaged, Checkpoint: v.status.Awaits, QuotaWhy: v.quotaWhy, QuotaEnds: v.quotaEnds,
		TrainerUp: v.trainer.Up, TrainerWhy: v.trainerWhy, DiskWhy: v.diskWhy,
	})
}

func (w *view) adopted(e round.Adopt, now time.Time) {
	w.set(func(v *viewed) {
		o := api.Outcome{Height: e.To.Height, Root: e.To.Root, Closer: e.To.Closer, View: e.To.View, Missing: e.Missing}
		if !v.adoptedAt.IsZero() {
			o.Seconds = now.Sub(v.adoptedAt).Seconds()
		}
		var loss, tokens float64
		for _, u := range e.Included {
			o.Included = append(o.Included, u.Author)
			loss += float64(u.Loss) * float64(u.Tokens)
			tokens += float64(u.Tokens)
		}
		if tokens > 0 {
			o.Loss = loss / tokens
		}
		v.tally(&o, e.Included)
		v.counts.Rounds++
		v.counts.Included += uint64(len(o.Included))
		v.counts.Missing += uint64(len(o.Missing))
		v.counts.Late += uint64(len(o.Late))
		v.counts.Seconds += o.Seconds
		if i := slices.IndexFunc(api.RoundBounds[:], func(most float64) bool { return o.Seconds <= most }); i >= 0 {
			v.counts.Took[i]++
		}
		switch {
		case slices.Contains(o.Included, v.self):
			v.counts.OwnIncluded++
		case !v.stages.Published.IsZero():
			v.counts.OwnMissing++
		}
		v.ended(o, now)
		v.outcome, v.adoptedAt, v.idle = v.rounds[len(v.rounds)-1], now, false
	})
}

// changed notes that the node begins or ceases to train, and so when the first round of this
// process began.
func (w *view) changed(now time.Time) {
	w.set(func(v *viewed) {
		v.changedAt = now
		if v.adoptedAt.IsZero() {
			v.adoptedAt = now
		}
	})
}

// beatInterval is a tenth of a round, within bounds.
func (w *view) beatInterval() time.Duration {
	seconds := w.get().outcome.Seconds
	return min(max(time.Duration(seconds*float64(time.Second)/10), minBeat), maxBeat)
}

func (w *view) heartbeat(n *Node) *murmurv1.Heartbeat {
	v, d := w.get(), w.decide()
	h := &murmurv1.Heartbeat{
		Swarm: n.swarm[:], Height: v.status.Head.Height, Head: v.status.Head.ID[:], Tokens: v.status.Lacking,
		State: string(d.PublicReason()), Why: d.Public(), Version: n.p.Version, Paused: !d.Train,
		IntervalMs: uint32(w.beatInterval().Milliseconds()), Backend: v.trainer.Backend,
		Done: v.idle, HeldoutHeight: v.heldout.Height, HeldoutLoss: v.heldout.Loss, UnixMs: time.Now().UnixMilli(),
	}
	if d.Train && v.still(time.Now(), n.stepTokens()) == 0 {
		h.Rate = v.trainer.TokensPerSec
	}
	return h
}

// State is the node's state tree.
func (n *Node) State() api.State {
	v, d := n.view.get(), n.view.decide()
	traffic := n.net.Traffic()
	s := api.State{
		Version: n.p.Version, Swarm: n.swarm, Peer: n.self, Started: n.start,
		Link:   p2p.Link{Swarm: n.swarm, Addrs: forOthers(n.net.Addrs())}.String(),
		Reason: string(d.Reason), Why: d.Why, Source: d.Source, Until: d.Until, Unkept: v.notKept(), Policy: v.settings, Trainer: v.trainer,
		Traffic: api.Traffic{BytesIn: traffic.BytesIn, BytesOut: traffic.BytesOut, Protocols: map[string]api.Bytes{}, Necessary: v.necessary, AllReduce: uint64(v.allReduce), Dropped: traffic.Dropped}, Counts: v.counts, Health: v.health,
		Share: v.share, Devices: v.devices, Page: n.page, Peers: n.peers(), Process: n.process(), Reach: n.reach(), Limits: v.limits, Usage: v.used, Sends: n.sends(),
	}
	for name, t := range traffic.Protocols {
		s.Traffic.Protocols[strings.Replace(name, n.swarm.String(), "SWARM", 1)] = api.Bytes{In: t.BytesIn, Out: t.BytesOut}
	}
	if n.book.Load() == nil {
		s.Name = v.name
		s.Reason, s.Why, s.Source, s.Until = string(policy.Joining), v.joining(), "the daemon", time.Time{}
		if v.outdated != "" {
			s.Reason, s.Source = "outdated", "the swarm's manifest"
		}
		if v.tooLarge != "" {
			s.Reason, s.Source = "too-large", "the swarm's manifest"
		}
		return s
	}
	if still := v.still(time.Now(), n.stepTokens()); d.Train && still > 0 {
		s.Trainer.TokensPerSec = 0
		s.Why = fmt.Sprintf("%s, but its trainer has finished no step for %.0f s", s.Why, still.Seconds())
	}
	h := v.status.Head
	s.Name, s.Heldout = n.manifest.Name, n.curve.newest()
	s.Head = api.Head{ID: h.ID, Height: h.Height, StateRoot: h.Root, Tokens: h.Tokens, Roster: len(h.Roster), Checkpoint: checkpointBelow(n.book.Load(), h)}
	s.Round = api.Round{
		Seconds: v.status.Round.Seconds(), Due: v.status.Due, Active: v.status.Active, H: h.NextH, Last: v.outcome,
	}
	s.Schedule = api.Schedule{TotalTokens: n.manifest.Inner.TotalTokens, Complete: v.status.Complete}
	return s
}

// patience is how long a step may take at least before the trainer is said to stand still.
const patience = 10 * time.Second

// still is for how long a trainer that trained has finished no step, where that is four times as long as its last ones took; 0 where it is not.
func (v viewed) still(now time.Time, stepTokens uint64) time.Duration {
	if !v.trainer.Up || v.idle || v.trainer.TokensPerSec <= 0 || v.stepped.IsZero() {
		return 0
	}
	last := v.stepped
	if v.changedAt.After(last) {
		last = v.changedAt
	}
	usual := time.Duration(float64(stepTokens) / v.trainer.TokensPerSec * float64(time.Second))
	if d := now.Sub(last); d > max(patience, 4*usual) {
		return d
	}
	return 0
}

// joining says what is waited for before the node can take part.
func (v viewed) joining() string {
	return cmp.Or(v.outdated, v.tooLarge, v.diskWhy, v.starting, errStarting.Error())
}

// why is State's, for those who ask often.
func (n *Node) why() string {
	if n.book.Load() == nil {
		return n.view.get().joining()
	}
	return n.view.decide().Why
}

// reach is how others can come to this node.
func (n *Node) reach() api.Reach {
	r := n.net.Reachability()
	out := api.Reach{Verdict: r.Verdict, Dialled: r.Dialled, Blocked: r.Blocked, Relays: r.Relays, Router: r.Router, Refusal: n.net.Refusal()}
	for _, a := range n.net.Attempts() {
		out.Tried = append(out.Tried, api.Attempt{Addr: a.Addr, Why: a.Why, At: a.At})
	}
	return out
}

// forOthers leaves addresses out that only this machine can dial, unless there
// are no others, and those for browsers.
func forOthers(addrs []string) []string {
	far := slices.DeleteFunc(slices.Clone(addrs), func(a string) bool {
		return strings.Contains(a, "/webtransport/") || strings.HasPrefix(a, "/ip4/127.") || strings.HasPrefix(a, "/ip6/::1/")
	})
	if len(far) == 0 {
		return addrs
	}
	return far
}

func (n *Node) peers() []api.Peer {
	now, byID := time.Now(), map[proto.PeerID]*api.Peer{}
	for _, p := range n.net.Peers() {
		byID[p.ID] = &api.Peer{
			ID: p.ID, Connected: p.Connected, Path: string(p.Path), Agent: p.Agent,
			RTTMillis: float64(p.RTT.Microseconds()) / 1000, WriteMillis: float64(p.Write.Microseconds()) / 1000,
		}
	}
	n.view.set(func(v *viewed) {
		for id, s := range v.standings {
			if id == n.self {
				continue
			}
			p := byID[id]
			if p == nil {
				p = &api.Peer{ID: id}
				byID[id] = p
			}
			p.Share, p.Flag, p.Seen = s.share, s.flag, s.seen
			if h := s.beat; h != nil {
				p.State, p.Why, p.Height, p.Rate, p.Backend = h.State, h.Why, h.Height, h.Rate, h.Backend
				p.Lag = int64(v.status.Head.Height) - int64(h.Height)
			}
			if s.gone(now) {
				if p.Why = "no heartbeat of it comes any more"; p.State == string(policy.Leaving) {
					p.Why = "it has left"
				}
				p.State, p.Rate = api.Gone, 0
			}
		}
	})
	peers := make([]api.Peer, 0, len(byID))
	for _, p := range byID {
		if p.SlowLine() && (p.Why == "" || p.Why == p.State) {
			p.Why = "the line to it is slow: an announcement took more than a second to leave"
		}
		peers = append(peers, *p)
	}
	slices.SortFunc(peers, func(a, b api.Peer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return peers
}

// Events returns the diary after a sequence number.
func (n *Node) Events(since uint64) []event.Event { return n.diary.Since(since) }

// Finish has the node leave once its work is in.
func (n *Node) Finish() {
	n.finish.Do(func() {
		n.diary.Add(event.Node, 0, "leaving after this round")
		close(n.finishing)
	})
}

// trouble shows that something on this machine failed; it is tried again.
func (n *Node) trouble(doing string, err error) {
	if errors.Is(err, errNothing) || errors.Is(err, errYielded) { // yield tells of what was lost
		return
	}
	why := fmt.Sprintf("%s: %v", doing, err)
	n.log.Warn("Trouble on this machine", "doing", doing, "error", err)
	n.view.set(func(v *viewed) {
		if v.diskWhy != why {
			n.diary.Add(event.Node, 0, why)
		}
		v.diskWhy = why
	})
}

func (n *Node) untroubled() { n.view.set(func(v *viewed) { v.diskWhy = "" }) }
