package status

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

const (
	maxStandings = 1024 // most nodes that are remembered, with this one
	recentRounds = 50   // rounds that Share.Recent tells of
	goneBeats    = 3    // heartbeats that a peer may miss before it counts as gone
)

// standing is what this node remembers of a node of the swarm.
type standing struct {
	beat  *murmurv1.Heartbeat // newest heartbeat
	seen  time.Time           // arrival of the newest heartbeat
	ahead time.Duration       // this machine's clock less the node's by its newest heartbeat, with the time that took to come
	came  uint64              // newest round for which it sent an update
	share api.Share
	flag  string
}

// of returns a node's standing, and begins one for a new node. Where there are maxStandings, the node
// that was silent longest makes room: one without an update in any round first, this node never.
func (v *Snapshot) of(p proto.PeerID) *standing {
	if s := v.standings[p]; s != nil {
		return s
	}
	if v.standings == nil {
		v.standings = map[proto.PeerID]*standing{}
	}
	if len(v.standings) >= maxStandings {
		var least proto.PeerID
		for id, s := range v.standings {
			if o := v.standings[least]; id != v.self && (o == nil || s.before(o)) {
				least = id
			}
		}
		delete(v.standings, least)
	}
	s := &standing{}
	v.standings[p] = s
	return s
}

// before tells whether s is forgotten before o.
func (s *standing) before(o *standing) bool {
	if new, known := s.share.Updates == 0, o.share.Updates == 0; new != known {
		return new
	}
	return s.seen.Before(o.seen)
}

// Heard notes a peer's heartbeat.
func (b *Board) Heard(p proto.PeerID, h *murmurv1.Heartbeat, now time.Time) {
	b.set(func(v *Snapshot) {
		s := v.of(p)
		s.beat, s.seen = h, now
		if s.ahead = 0; h.UnixMs != 0 {
			s.ahead = now.Sub(time.UnixMilli(h.UnixMs))
		}
	})
}

// Flag remembers what is wrong with what a peer sends.
func (b *Board) Flag(p proto.PeerID, why string) { b.set(func(v *Snapshot) { v.of(p).flag = why }) }

// gone tells whether a peer's heartbeats have ceased.
func (s *standing) gone(now time.Time) bool {
	return s.beat != nil && now.Sub(s.seen) > goneBeats*time.Duration(s.beat.IntervalMs)*time.Millisecond
}

// clock is how far this machine's clock goes before those of its peers: the median.
func (v *Snapshot) clock(now time.Time) time.Duration {
	var all []time.Duration
	for _, s := range v.standings {
		if s.beat != nil && s.beat.UnixMs != 0 && !s.gone(now) {
			all = append(all, s.ahead)
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// came notes an update, which may be late for a round that has ended.
func (v *Snapshot) came(u round.Update) {
	s := v.of(u.Author)
	s.came = max(s.came, u.Height)
	for i := len(v.rounds) - 1; i >= 0 && v.rounds[i].Height >= u.Height; i-- {
		if o := &v.rounds[i]; o.Height == u.Height && slices.Contains(o.Missing, u.Author) && !slices.Contains(o.Late, u.Author) {
			o.Late = append(slices.Clone(o.Late), u.Author)
			v.counts.Late++
			if at := len(s.share.Recent) - (len(v.rounds) - i); at >= 0 {
				b := []byte(s.share.Recent)
				b[at] = api.LateRound
				s.share.Recent = string(b)
			}
		}
	}
}

// tally enters a round that ended into everybody's share, and says whose updates are late. A
// ring all-reduce among N nodes has each receive 2(N−1)/N gradients a step.
func (v *Snapshot) tally(o *api.Outcome, included []round.Update) {
	letters := make(map[proto.PeerID]byte, len(o.Included)+len(o.Missing))
	for _, u := range included {
		letters[u.Author] = api.InRound
		s := v.of(u.Author)
		s.share.Updates++
		s.share.Tokens += u.Tokens
		if u.Author == v.self {
			v.allReduce += float64(u.Tokens) * v.gradient * 2 * float64(len(included)-1) / float64(len(included))
		} else {
			v.necessary += u.Size
		}
	}
	for _, p := range o.Missing {
		letters[p] = api.OutRound
		if v.of(p).came >= o.Height {
			letters[p] = api.LateRound
			o.Late = append(o.Late, p)
		}
	}
	for id, s := range v.standings {
		b := append([]byte(s.share.Recent), api.NoRound)
		if l, in := letters[id]; in {
			b[len(b)-1] = l
		}
		s.share.Recent = string(b[max(0, len(b)-recentRounds):])
	}
}
