package node

import (
	"context"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/writer"
)

// State is the node's state tree.
func (n *Node) State() api.State {
	traffic := n.net.Traffic()
	a := status.Around{
		Started: n.start, Page: n.page, Link: p2p.Link{Swarm: n.swarm, Addrs: forOthers(n.net.Addrs())}.String(),
		Traffic: api.Traffic{BytesIn: traffic.BytesIn, BytesOut: traffic.BytesOut, Protocols: map[string]api.Bytes{}, Dropped: traffic.Dropped},
		Peers:   n.peers(), Reach: n.reach(), Process: n.usage.Of(n.p.Dir), Sends: n.leaves().Sends(),
	}
	for name, t := range traffic.Protocols {
		a.Traffic.Protocols[name] = api.Bytes{In: t.BytesIn, Out: t.BytesOut}
	}
	if book := n.book.Load(); book != nil {
		a.Ready, a.Heldout, a.TotalTokens = true, n.curve.Newest(), n.manifest.Inner.TotalTokens
		if c, ok := book.Settled(n.status.Status().Head); ok {
			a.Checkpoint = &api.Checkpoint{Height: c.Height, Commit: c.ID}
		}
	}
	return n.status.State(a)
}

// why is the state's reason as a sentence. Unlike State it is cheap.
func (n *Node) why() string { return n.status.Why(n.book.Load() != nil) }

// leaves says what decides what leaves this machine.
func (n *Node) leaves() status.Leaves {
	b := n.members.Load()
	return status.Leaves{
		Closed: b != nil && !b.Open(), Seed: n.p.Seed, Private: n.book.Load() != nil && n.manifest.Data.Name == manifest.Private,
		MDNS: n.p.MDNS, Routers: n.p.Routers, Bootstrap: n.p.Bootstrap, Metrics: n.p.Metrics, EnergyURL: n.status.Snapshot().Settings.Energy.URL,
	}
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

// forOthers drops addresses for browsers, and addresses that only this machine can dial unless
// there are no others.
func forOthers(addrs []string) []string {
	far := slices.DeleteFunc(slices.Clone(addrs), func(a string) bool {
		return strings.Contains(a, "/webtransport/") || strings.HasPrefix(a, "/ip4/127.") || strings.HasPrefix(a, "/ip6/::1/")
	})
	if len(far) == 0 {
		return addrs
	}
	return far
}

// peers lists the peers that the network sees.
func (n *Node) peers() (ps []api.Peer) {
	for _, p := range n.net.Peers() {
		ps = append(ps, api.Peer{
			ID: p.ID, Connected: p.Connected, Path: string(p.Path), Agent: p.Agent,
			RTTMillis: float64(p.RTT.Microseconds()) / 1000, WriteMillis: float64(p.Write.Microseconds()) / 1000,
		})
	}
	return ps
}

// Rounds returns the newest rounds above a height.
func (n *Node) Rounds(since uint64) []api.Outcome { return n.status.Rounds(since) }

// Events returns the diary after a sequence number.
func (n *Node) Events(since uint64) []event.Event { return n.diary.Since(since) }

// Finish has the node leave once its work is in.
func (n *Node) Finish() {
	n.finish.Do(func() {
		n.diary.Add(event.Node, 0, "leaving after this round")
		close(n.finishing)
	})
}

// Keep puts the state of a height, or the newest, on this node's disk as a whole.
func (n *Node) Keep(ctx context.Context, height int64) (k api.Kept, err error) {
	if n.book.Load() == nil {
		return k, status.ErrStarting
	}
	return n.executor.Keep(ctx, height)
}

// States lists the states that the node can go back to, the oldest first.
func (n *Node) States() []api.Held {
	book := n.book.Load()
	if book == nil {
		return []api.Held{}
	}
	return states.Held(book, n.store)
}

// Heldout measures θ(head) on the held-out slice.
func (n *Node) Heldout(ctx context.Context) (out api.Heldout, err error) {
	if n.book.Load() == nil {
		return out, status.ErrStarting
	}
	return n.executor.Heldout(ctx)
}

// Generate continues a prompt by θ(head).
func (n *Node) Generate(ctx context.Context, g api.Generate, emit func(text string)) error {
	if n.book.Load() == nil {
		return status.ErrStarting
	}
	return n.executor.Generate(ctx, writer.Request{
		Prompt: g.Prompt, N: g.Tokens, Stop: g.Stop, Sampling: eval.Sampling{Temperature: g.Temperature, TopK: g.TopK, TopP: g.TopP, Seed: g.Seed},
	}, emit)
}

// told takes a held-out loss that a peer measured for a commit on this node's branch. It counts if it was that peer's turn to
// measure. A peer repeats its newest loss in its heartbeats, so a point that cannot be judged yet is taken later.
func (n *Node) told(p api.Heldout) {
	if p.Loss == 0 || p.Height == 0 || p.Height%uint64(n.manifest.Rounds.SnapshotEvery) != 0 || n.curve.Has(p.Height) {
		return
	}
	book := n.book.Load()
	c, _ := book.Marks()
	for held := true; held && c.Height > p.Height; {
		c, held = book.Commit(c.Parent)
	}
	if c.Height == p.Height && round.Measurer(c) == p.By {
		n.learned(p)
	}
}

// learned adds a held-out loss to the curve.
func (n *Node) learned(p api.Heldout) {
	if err := n.curve.Add(p); err != nil {
		n.log.Warn("The curve of held-out losses was not kept", "error", err)
	}
}

// Curve returns the swarm's held-out losses above a height.
func (n *Node) Curve(since uint64) []api.Heldout { return n.curve.Since(since) }
