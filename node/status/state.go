package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// Around is what others than the board know of a node.
type Around struct {
	Ready       bool // it takes part
	Started     time.Time
	Link, Page  string
	Traffic     api.Traffic // but for what the board counts; protocols by their name
	Peers       []api.Peer  // as the network sees them
	Reach       api.Reach
	Process     api.Process
	Sends       []string
	Heldout     *api.Heldout    // the swarm's newest
	Checkpoint  *api.Checkpoint // below the head
	TotalTokens uint64          // of the schedule; 0: none
}

// State is the node's state tree.
func (b *Board) State(a Around) api.State {
	v, d, now := b.Snapshot(), b.Decide(), time.Now()
	s := api.State{
		Version: b.p.Version, Swarm: b.p.Swarm, Peer: b.p.Self, Started: a.Started, Link: a.Link, Page: a.Page, Name: v.name,
		Reason: string(d.Reason), Why: d.Why, Source: d.Source, Until: d.Until, Unkept: v.notKept(), Policy: v.Settings, Trainer: v.Trainer,
		Traffic: a.Traffic, Counts: v.counts, Health: v.health, Share: v.share, Devices: v.devices, Peers: b.peers(a.Peers, now),
		Process: a.Process, Reach: a.Reach, Limits: v.Limits, Usage: v.used, Sends: a.Sends,
	}
	s.Traffic.Necessary, s.Traffic.AllReduce, s.Traffic.Protocols = v.necessary, uint64(v.allReduce), map[string]api.Bytes{}
	for name, t := range a.Traffic.Protocols {
		s.Traffic.Protocols[strings.Replace(name, b.p.Swarm.String(), "SWARM", 1)] = t
	}
	if !a.Ready {
		s.Reason, s.Why, s.Source, s.Until = string(policy.Joining), v.joining(), "the daemon", time.Time{}
		if v.outdated != "" {
			s.Reason, s.Source = string(policy.Outdated), "the swarm's manifest"
		}
		if v.tooLarge != "" {
			s.Reason, s.Source = string(policy.TooLarge), "the swarm's manifest"
		}
		return s
	}
	if still := v.still(now); d.Train && still > 0 {
		s.Trainer.TokensPerSec = 0
		s.Why = fmt.Sprintf("%s, but its trainer has finished no step for %.0f s", s.Why, still.Seconds())
	}
	h := v.status.Head
	s.Heldout = a.Heldout
	s.Head = api.Head{ID: h.ID, Height: h.Height, StateRoot: h.Root, Tokens: h.Tokens, Roster: len(h.Roster), Checkpoint: a.Checkpoint}
	s.Round = api.Round{
		Seconds: v.status.Round.Seconds(), Due: v.status.Due, Active: v.status.Active, H: h.NextH, Last: v.Outcome,
	}
	s.Schedule = api.Schedule{TotalTokens: a.TotalTokens, Complete: v.status.Complete}
	return s
}

// peers adds what peers said of themselves, and those whom the network does not see, to some peers; sorted by id.
func (b *Board) peers(seen []api.Peer, now time.Time) []api.Peer {
	byID := map[proto.PeerID]*api.Peer{}
	for _, p := range seen {
		byID[p.ID] = &p
	}
	b.set(func(v *Snapshot) {
		for id, s := range v.standings {
			if id == b.p.Self {
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
