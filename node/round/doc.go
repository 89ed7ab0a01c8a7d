// Package round is the round protocol as a pure state machine: events in,
// effects out.
//
// A Machine holds the tree of commits, the updates and heartbeats it was told
// of, and decides when a round is due, who closes it, what goes in, and which
// branch is the head, by the rules of docs/protocol.md. It guarantees that the same events give the
// same effects: it has no I/O, no clock (each event carries the local time), no
// goroutine and no randomness, and no map order reaches an effect. Whoever
// drives it checks signatures before, carries out effects in their order, and
// reports back with events.
//
// It must not know of libp2p, disks, or how a method computes; a state is a
// root to it, a payload is an id.
package round
