package round

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// KeptOwn is how many of its newest own updates a node keeps, with payloads,
// whatever became of their parents.
const KeptOwn = 16

// MaxSigned is for how many of its newest own updates a node remembers the commits that they are for: none is signed for
// one of those a second time. A branch that was left for so long is not come back to.
const MaxSigned = 4096

// KnownPast is in how many snapshot heights below the base a node that starts looks for the peers that it knows: two parts of a
// swarm that were cut, and start again, find each other by them.
const KnownPast = 64

// Bounds of what a Machine keeps.
const (
	maxPeers           = 1024 // heartbeats, and authors
	maxStrangers       = 128  // of them, that do not vote
	maxUpdatesByAuthor = 8    // newest updates kept of one author
	maxBlocks          = 4096 // commits kept above the base
	maxUpdates         = 4 * maxBlocks
	capShares          = 4 // an update counts for at most so many shares of a round
	rosterDepth        = 3 // commits whose authors make the roster
	probation          = 8 // inclusions after which a member of an open swarm votes
	minSeniors         = 3 // members of an open swarm who vote at least, where the roster has so many
	newcomerShare      = 4 // of an open swarm's voters, a commit may list one newcomer for so many
	staleBeats         = 3 // intervals after which a heartbeat is stale
	newcomerLanes      = 8 // data lanes past the roster's range: data.NewcomerLanes
)

// Config is what the manifest and this node fix for a Machine.
type Config struct {
	Self        proto.PeerID
	Salt        string // secret, and random at each start: for what this node draws by it nobody can make keys
	Swarm       proto.ID
	Membership  Membership
	Checkpoint  Checkpoint // zero: none
	StepTokens  uint64     // tokens of one inner step
	SeqLen      uint64     // tokens of one sample
	MaxPayload  uint64     // of an update, by the method
	StateSize   uint64     // of a snapshot
	HMin, HMax  uint32
	Min, Max    time.Duration // a round is never due before, always due after
	Grace       time.Duration // the most that late payloads are waited for
	ViewTimeout time.Duration
	Snapshot    uint64    // heights between snapshots
	MaxUpdates  int       // in a commit
	TotalTokens uint64    // committed tokens that end the training
	Paces       []Pace    // by tokens
	Contract    *Contract // of a test; nil: nobody holds the driver to it
}

// Checkpoint names a commit without which no branch is taken.
type Checkpoint struct {
	Height uint64
	Commit proto.ID
}

// Pace sets the inner steps a round anew at the commit that reaches a number of
// tokens; they go on by exchange times from there.
type Pace struct {
	Tokens uint64
	H      uint32
}

// Validate tells the first setting that makes no sense.
func (c Config) Validate() error {
	switch {
	case c.Self == "":
		return errors.New("round: no peer id")
	case c.StepTokens == 0 || c.SeqLen == 0 || c.MaxPayload == 0 || c.StateSize == 0:
		return errors.New("round: a step needs tokens, updates and states a size")
	case c.HMin == 0 || c.HMax < c.HMin:
		return fmt.Errorf("round: inner steps a round must lie in 1..max, have %d..%d", c.HMin, c.HMax)
	case c.Max <= 0 || c.Min > c.Max:
		return fmt.Errorf("round: times %s..%s are no range", c.Min, c.Max)
	case c.Grace <= 0 || c.ViewTimeout <= 0:
		return errors.New("round: grace and view timeout must be above zero")
	case c.Snapshot == 0:
		return errors.New("round: snapshot distance must be above zero")
	case c.MaxUpdates < 1 || c.MaxUpdates > proto.MaxUpdates:
		return fmt.Errorf("round: a commit lists 1 to %d updates at most, not %d", proto.MaxUpdates, c.MaxUpdates)
	}
	return nil
}

// Update is a decoded, signature-checked update announcement.
type Update struct {
	ID       proto.ID
	Author   proto.PeerID
	Proof    Proof
	Parent   proto.ID
	Height   uint64
	Seq      uint64
	Tokens   uint64
	High     uint64 // one past the highest data position used
	Payload  proto.ID
	Size     uint64
	Exchange time.Duration
	StepTime time.Duration
	Loss     float32
	heard    uint64 // number of this update in the order in which this node heard of updates
}

// Member is an author of one of the last three commits.
type Member struct {
	Peer proto.PeerID
	Age  uint8 // commits since it was last listed: 0, 1 or 2
	Seen uint8 // commits that listed it since it joined the roster, up to probation
	// Invite is what it came in by when it was listed last, if it was an invite.
	Invite Key
}

// Commit is a decoded commit. All but ID, View and Closer is its content.
type Commit struct {
	ID       proto.ID
	Parent   proto.ID
	Height   uint64
	Updates  []proto.ID    // sorted by author
	Evidence [][2]proto.ID // pairs of updates of one author
	Notices  []Notice      // all that count from its children on, sorted by id
	Skip     proto.ID      // the newest snapshot height below it
	Roster   []Member      // sorted by peer
	NextH    uint32
	Target   uint64 // tokens of one peer's share of the next round
	Cursor   uint64
	Tokens   uint64 // committed since genesis
	Root     proto.ID

	View   uint32
	Closer proto.PeerID
}

// Cap is the most tokens that an update on this commit may count for.
func (c Commit) Cap() uint64 { return c.Target * capShares }

// Rank returns a peer's place in the roster, −1 for a newcomer.
func (c Commit) Rank(p proto.PeerID) int {
	for i, m := range c.Roster {
		if m.Peer == p {
			return i
		}
	}
	return -1
}

// voters lists who votes at a fork above a commit, vouches for its children and
// closes the round on it, sorted: the roster. In an open swarm, where a key costs
// nothing, only those past probation; where there are not three of them, for fewer could
// be one person, those who have been in for as long as the third longest.
func (cfg Config) voters(c Commit) (ps []proto.PeerID) {
	least := uint8(0)
	if cfg.Membership.Open() && len(c.Roster) >= minSeniors {
		var seen []uint8
		for _, m := range c.Roster {
			seen = append(seen, m.Seen)
		}
		slices.Sort(seen)
		least = min(seen[len(seen)-minSeniors], probation)
	}
	for _, m := range c.Roster {
		if m.Seen >= least {
			ps = append(ps, m.Peer)
		}
	}
	return ps
}

// seniors is how many members of a commit's roster are past probation.
func (c Commit) seniors() (n int) {
	for _, m := range c.Roster {
		if m.Seen >= probation {
			n++
		}
	}
	return n
}

// newcomer tells whether an author is one of those of whom a commit may list few: who is
// not in its parent's roster, and as soon as that has enough seniors, who is on probation.
func (cfg Config) newcomer(parent Commit, p proto.PeerID) bool {
	rank := parent.Rank(p)
	return rank < 0 || cfg.Membership.Open() && parent.seniors() >= minSeniors && parent.Roster[rank].Seen < probation
}

// newcomers is how many of them a commit may list.
func (cfg Config) newcomers(parent Commit) int {
	if !cfg.Membership.Open() || len(parent.Roster) == 0 {
		return proto.MaxUpdates
	}
	return share(len(cfg.voters(parent)), newcomerShare)
}

// settled leaves of some updates on a commit those that are no newcomers', if any are:
// what others say of their times sets nobody's pace.
func (cfg Config) settled(parent Commit, us []Update) []Update {
	in := slices.DeleteFunc(slices.Clone(us), func(u Update) bool { return cfg.newcomer(parent, u.Author) })
	if len(in) == 0 {
		return us
	}
	return in
}

// mentions lists the updates of a commit's list and evidence.
func (c Commit) mentions() []proto.ID {
	ids := slices.Clone(c.Updates)
	for _, pair := range c.Evidence {
		ids = append(ids, pair[0], pair[1])
	}
	return ids
}

// Highest is the highest data position that an update on c may claim: as far in its lane as its tokens go, and a target
// on, for what its author takes there until it adopts the next commit. Newcomers' lanes lie behind the roster's.
func (c Commit) Highest(author proto.PeerID, tokens, seqLen uint64) uint64 {
	samples := (tokens+c.Target)/seqLen + 1
	roster := uint64(len(c.Roster))
	if c.Rank(author) >= 0 {
		return c.Cursor + roster*samples
	}
	return c.Cursor + roster*(c.Cap()/seqLen+1) + newcomerLanes*samples
}
