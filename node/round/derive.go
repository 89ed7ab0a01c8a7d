package round

import (
	"cmp"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// exchangesPerRound is how many exchange times a round should last at least, so
// that trainers spend no more than a fifth of it on late state.
const exchangesPerRound = 4

// Genesis is the commit before all rounds: a pure function of the manifest,
// whose initial state has the given root.
func Genesis(id, root proto.ID, h uint32, stepTokens uint64) Commit {
	return Commit{ID: id, Root: root, NextH: h, Target: uint64(h) * stepTokens}
}

// Derive computes a commit's content, less its ID and Root, from its parent, the
// updates in it, the evidence and the notices. It uses integers only.
func Derive(cfg Config, parent Commit, updates []Update, evidence [][2]proto.ID, notices []Notice) Commit {
	c := Commit{
		Parent: parent.ID, Height: parent.Height + 1, Evidence: evidence, Notices: notices,
		Tokens: parent.Tokens, Cursor: parent.Cursor, Skip: parent.Skip,
	}
	if parent.Height%cfg.Snapshot == 0 {
		c.Skip = parent.ID
	}
	revoked := func(p proto.PeerID) bool {
		return slices.ContainsFunc(notices, func(n Notice) bool { return n.Kind == RevokePeer && n.Subject == string(p) })
	}
	authors := make(map[proto.PeerID]bool, len(updates))
	most := countable(cfg.settled(parent, updates))
	// The cursor follows voters, as far as the tokens that count go: newcomers' lanes begin where the roster's end that
	// learn as much as is allowed. What others took may come a second time, but nothing is skipped for them.
	voters := cfg.voters(parent)
	fresh := !slices.ContainsFunc(updates, func(u Update) bool { return slices.Contains(voters, u.Author) })
	for _, u := range updates {
		c.Updates = append(c.Updates, u.ID)
		c.Tokens += min(u.Tokens, most)
		if fresh || slices.Contains(voters, u.Author) {
			c.Cursor = max(c.Cursor, min(u.High, parent.Highest(u.Author, most, cfg.SeqLen)))
		}
		authors[u.Author] = true
		seen := uint8(1)
		if rank := parent.Rank(u.Author); rank >= 0 {
			seen = min(parent.Roster[rank].Seen+1, probation)
		}
		c.Roster = append(c.Roster, Member{Peer: u.Author, Seen: seen, Invite: u.Proof.Invite})
	}
	for _, m := range parent.Roster {
		if m.Age+1 < rosterDepth && !authors[m.Peer] {
			c.Roster = append(c.Roster, Member{Peer: m.Peer, Age: m.Age + 1, Seen: m.Seen, Invite: m.Invite})
		}
	}
	c.Roster = slices.DeleteFunc(c.Roster, func(m Member) bool { return revoked(m.Peer) })
	slices.SortFunc(c.Roster, func(a, b Member) int { return cmp.Compare(a.Peer, b.Peer) })
	c.NextH = retarget(cfg, parent.NextH, cfg.settled(parent, updates))
	for _, p := range cfg.Paces {
		if parent.Tokens < p.Tokens && p.Tokens <= c.Tokens {
			c.NextH = min(max(p.H, cfg.HMin), cfg.HMax)
		}
	}
	c.Target = uint64(c.NextH) * cfg.StepTokens
	return c
}

// countable is what the tokens of each of a commit's updates count for at most: the lower median of those that are no
// newcomers'. Who claims more, or next to nothing, drives neither schedules nor rounds by it.
func countable(updates []Update) uint64 {
	if len(updates) == 0 {
		return 0
	}
	claims := make([]uint64, len(updates))
	for i, u := range updates {
		claims[i] = u.Tokens
	}
	slices.Sort(claims)
	return claims[(len(claims)-1)/2]
}

// retarget chooses the next H so that a round lasts four of the median exchange
// times, at most a twofold change, within the manifest's bounds.
func retarget(cfg Config, h uint32, updates []Update) uint32 {
	exchange := median(updates, func(u Update) time.Duration { return u.Exchange })
	step := median(updates, func(u Update) time.Duration { return u.StepTime })
	if exchange > 0 && step > 0 {
		want := exchangesPerRound * exchange / step
		h = uint32(min(max(want, time.Duration(h/2)), time.Duration(h)*2))
	}
	return min(max(h, cfg.HMin), cfg.HMax)
}

func median(updates []Update, f func(Update) time.Duration) time.Duration {
	v := make([]time.Duration, 0, len(updates))
	for _, u := range updates {
		if d := f(u); d > 0 {
			v = append(v, d)
		}
	}
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// same tells whether two commits have the same content but for the root.
func same(a, b Commit) bool {
	return a.Parent == b.Parent && a.Height == b.Height && slices.Equal(a.Updates, b.Updates) &&
		slices.Equal(a.Evidence, b.Evidence) && slices.Equal(a.Notices, b.Notices) && slices.Equal(a.Roster, b.Roster) && a.NextH == b.NextH &&
		a.Skip == b.Skip &&
		a.Target == b.Target && a.Cursor == b.Cursor && a.Tokens == b.Tokens
}

// fits tells whether an update's claims are possible on its parent, by one who
// belongs there.
func fits(cfg Config, ms *members, parent Commit, u Update) bool {
	if cfg.TotalTokens > 0 && parent.Tokens >= cfg.TotalTokens {
		return false // the schedule is complete, and nobody trains on
	}
	return ms.admits(u) && u.Parent == parent.ID && u.Height == parent.Height+1 &&
		u.Tokens > 0 && u.Tokens <= parent.Cap() && u.High <= parent.Highest(u.Author, u.Tokens, cfg.SeqLen) && u.Size > 0 && u.Size <= cfg.MaxPayload
}
