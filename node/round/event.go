package round

import (
	"time"

	"github.com/murmurnet/murmur/proto"
)

// Event is something that happened. Step takes one.
type Event interface{ event() }

// The events.
type (
	// Tick says that time has passed.
	Tick struct{}
	// Progress tells how many tokens this node learned in all, and how fast. The
	// total starts at what its residual held, and may fall when a trainer is lost.
	Progress struct {
		Total uint64
		Rate  float64 // tokens per second
		Done  bool    // the trainer has done all that it may in this round
	}
	// Training says whether this node may train now.
	Training struct{ On bool }
	// Heartbeat is another node's liveness and progress.
	Heartbeat struct {
		From     proto.PeerID
		Head     proto.ID
		Height   uint64
		Tokens   uint64
		Rate     float64
		Paused   bool
		Done     bool // it has done all that it may in this round
		Leaving  bool // this is the peer's last heartbeat
		Interval time.Duration
	}
	// Seen brings an update announcement.
	Seen struct{ Update Update }
	// Held says that a payload is on this disk, is its author's, and decodes in an update of a height.
	Held struct{ Use }
	// Unfit says that a payload does not decode in an update of a height, or is another author's.
	Unfit struct{ Use }
	// Missed says that fetching a payload came to nothing for now.
	Missed struct{ Payload proto.ID }
	// Announced says that a commit exists.
	Announced struct {
		Commit, Parent proto.ID
		Height         uint64
		View           uint32
		Closer         proto.PeerID
	}
	// Pulled brings commits' bodies, older before newer, with the updates that they
	// list or show as evidence.
	Pulled struct {
		Commits []Commit
		Updates []Update
	}
	// PullFailed says that a commit's body could not be had for now.
	PullFailed struct{ Commit proto.ID }
	// CaughtUp says that a catch-up is over, whatever it brought.
	CaughtUp struct{ Target proto.ID }
	// Foreign brings a peer's branch from a snapshot height to its tip, where it
	// shares no commit with this node's locator. Past are the snapshot heights below
	// it, newest first, down to this node's checkpoint.
	Foreign struct {
		Branch  []Commit
		Past    []Commit
		Updates []Update
	}
	// Landed brings a snapshot height whose state this node now holds, verified.
	Landed struct{ Commit Commit }
	// NotLanded says that a snapshot could not be had for now.
	NotLanded struct{ Commit proto.ID }
	// Published says that an own update is durable. Covers is how many tokens it
	// stands for, which may be more than it claims.
	Published struct {
		Update Update
		Covers uint64
	}
	// Unpublished says that an own update could not be made for now.
	Unpublished struct{ Parent proto.ID }
	// Built brings a commit that this node was asked to build.
	Built struct{ Commit Commit }
	// Unbuilt says that a commit could not be built for now, or not with some of its updates.
	Unbuilt struct {
		Parent proto.ID
		Lost   []proto.ID // updates of its list that the driver has not any more
	}
	// Verified tells whether a commit's state root is what its updates give.
	Verified struct {
		Commit proto.ID
		OK     bool
	}
	// Unverified says that a commit's root could not be computed for now.
	Unverified struct{ Commit proto.ID }
	// Noticed brings signed notices of the community.
	Noticed struct{ Notices []Notice }
	// Finish says that this node is to leave once its work is in.
	Finish struct{}
	// Settled says that peers were asked for this node's own newest update.
	Settled struct{}
)

func (Tick) event()        {}
func (Progress) event()    {}
func (Training) event()    {}
func (Heartbeat) event()   {}
func (Seen) event()        {}
func (Held) event()        {}
func (Unfit) event()       {}
func (Missed) event()      {}
func (Announced) event()   {}
func (Pulled) event()      {}
func (PullFailed) event()  {}
func (CaughtUp) event()    {}
func (Foreign) event()     {}
func (Landed) event()      {}
func (NotLanded) event()   {}
func (Published) event()   {}
func (Unpublished) event() {}
func (Built) event()       {}
func (Unbuilt) event()     {}
func (Verified) event()    {}
func (Unverified) event()  {}
func (Noticed) event()     {}
func (Finish) event()      {}
func (Settled) event()     {}
