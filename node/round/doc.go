// Package round is the round protocol as a pure state machine: events in,
// effects out.
//
// A Machine holds the tree of commits, the updates and heartbeats it was told
// of, and decides when a round is due, who closes it, what goes in, and which
// branch is the head, by the rules of docs/protocol.md. It guarantees that the same events give the
// same effects: it has no I/O, no clock (each event carries the local time), no
// goroutine and no randomness, and no map order reaches an effect.
//
// It must not know of libp2p, disks, or how a method computes; a state is a
// root to it, a payload is an id.
//
// # What drives it
//
// A driver calls [Machine.Step] from one goroutine, with times that never fall, and
//
//  1. checks signatures, proofs and sizes before it tells of a message (proto/wire), and says nothing of its own node's;
//  2. carries effects out in their order, as far as they touch the same thing: what touches vectors one after the other, what asks
//     peers beside that, and beats and announcements before both;
//  3. answers each effect of this table once, with the events beside it, whatever came of it. An answer may be late; it must come, or
//     the machine does not ask again.
//
// What the table calls durable must outlive a crash before the answer is told, for peers hear of it at once:
//
//	effect          answered by                               durable before
//	Publish         Published | Unpublished                   the payload, the update, and what it covers
//	Build           Built | Unbuilt                           the commit; its state may be computed again
//	Verify          Verified | Unverified                     the commit, where its root is right
//	Fetch           Held | Unfit | Missed                     the payload, where it is Held
//	Pull            Pulled, of that commit | PullFailed       nothing
//	CatchUp         any Pulled or Foreign, then CaughtUp      nothing
//	Enter           Landed | NotLanded                        the state, and the commits up to it
//	AskUpdates      any number of Seen                        nothing
//	Adopt           nothing: what follows builds on it        the head, before anything else of this table is carried out on it
//	Rebase, Drop    nothing                                   nothing: what they name may go
//	Announce, AnnounceUpdate, Beat, Finished                  nothing
//
// Missed, PullFailed, CaughtUp, NotLanded, Unpublished, Unbuilt and Unverified say that it came to nothing for now: the machine asks
// again after a pause, or at once where Unbuilt names lost updates. Heartbeat, Seen, Announced, Pulled, Progress, Training, Noticed, Settled and Finish may come at any time.
//
// Tick comes every [TickEvery] while the node takes part; one at rest may tick ten times as slowly. Training says when that changes,
// before the next Tick. Settled comes when peers have been asked for this node's own newest update, and may come again: until then, or until
// Config.Grace is over, the machine publishes nothing.
//
// [Contract] holds a driver's answers to the table in its tests.
package round
