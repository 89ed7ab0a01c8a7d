package round

import "github.com/murmurnet/murmur/proto"

// Effect is something that the driver must do. Effects are carried out in
// their order; what they lead to comes back as events.
type Effect interface{ effect() }

// The effects.
type (
	// Publish asks to capture the trainer's state after its last finished step,
	// encode its residual against Parent's state, and make an update of it.
	Publish struct {
		Parent    proto.ID
		Height    uint64
		Seq       uint64
		Delivered uint64 // own tokens on the branch, as in Adopt
		Max       uint64 // the most tokens that it may claim
	}
	// AnnounceUpdate asks to gossip an own update (again).
	AnnounceUpdate struct{ Update proto.ID }
	// Fetch asks for an update's payload.
	Fetch struct {
		Update  Update
		Sources []proto.PeerID // best first
		Shared  bool           // the payload is here for another height or author: check it for this one, and keep the file even if it does not decode
	}
	// Pull asks for a commit's body.
	Pull struct {
		Commit  proto.ID
		Sources []proto.PeerID
	}
	// CatchUp asks peers for what follows the first of these commits that their
	// branch has.
	CatchUp struct {
		Target  proto.ID
		Have    []proto.ID
		Sources []proto.PeerID
	}
	// Enter asks for the state of a snapshot height: of a branch that shares
	// nothing with this one, or of one whose payloads are more bytes or cannot be
	// had.
	Enter struct {
		Commit  Commit
		Sources []proto.PeerID
	}
	// AskUpdates asks peers for updates that gossip may have brought before this
	// node listened.
	AskUpdates struct {
		Parent  proto.ID
		Sources []proto.PeerID
	}
	// Build asks to apply updates to the parent's state and make a commit of it.
	Build struct {
		Draft   Commit // all but ID and Root
		Updates []Update
	}
	// Verify asks to apply a commit's updates and compare the root.
	Verify struct {
		Commit  Commit
		Updates []Update
	}
	// Announce asks to gossip a commit (again).
	Announce struct{ Commit Commit }
	// Adopt says that the head moves. The residual gains what Left held, and loses what Joined holds.
	Adopt struct {
		From, To     Commit
		Delivered    uint64 // own tokens, of Progress.Total, that the new branch has
		Jump         bool   // the branches have no known common commit: the residual stays as it is
		More         bool   // a commit on this one is at hand: the trainer's part may wait for it
		Included     []Update
		Missing      []proto.PeerID // active roster members that the commit leaves out
		Left, Joined []Own          // own updates only on the old branch, and only on the new one, older before newer
	}
	// Finished says that this node may go: its work is in, or waited for in vain.
	Finished struct{ In bool }
	// Rebase says that commits below this one are no longer needed.
	Rebase struct {
		Commit Commit
		Known  []proto.PeerID // who voted on heads of this node's: for State.Known
	}
	// Drop says that these payloads, which no commit lists, are no longer needed.
	Drop struct{ Payloads []proto.ID }
	// Beat asks for a heartbeat at once.
	Beat struct{}
)

// Own is an own update with what it stands for.
type Own struct {
	Update
	Covers uint64 // tokens; 0: this disk does not remember making it, and no residual here held it
}

func (Publish) effect()        {}
func (AnnounceUpdate) effect() {}
func (Fetch) effect()          {}
func (Pull) effect()           {}
func (CatchUp) effect()        {}
func (Enter) effect()          {}
func (AskUpdates) effect()     {}
func (Build) effect()          {}
func (Verify) effect()         {}
func (Announce) effect()       {}
func (Adopt) effect()          {}
func (Finished) effect()       {}
func (Rebase) effect()         {}
func (Drop) effect()           {}
func (Beat) effect()           {}
