// Package worker runs the trainer child process and speaks with it.
//
// The child owns the device and everything that may crash, hang or eat memory with it; the daemon owns the round. So a
// child may be killed at any instant and costs the inner steps since the last capture, nothing else. Start is the
// daemon's side, Main (around Serve) the child's.
//
// Control goes over the child's stdin and stdout as JSON, one object a line, at most MaxLine bytes. Every request carries
// an id and is answered exactly once; lines with an event instead of an id come unasked: progress, tokens of a text being
// generated, and the sentence with which a child gives up. Vectors cross through one memory-mapped file that the daemon
// creates: 3·P float32 for a model of P parameters, little-endian, the regions θ (or a delta), m and v in that order.
//
// The child serves requests between two steps and never in the middle of one, so a vector it reads or writes is always
// the state after its last finished step. It steps in one goroutine, the only one that touches the Learner; while paused
// it waits for requests and uses no processor time. When stdin ends its daemon is gone: it exits at once, in the middle
// of a step or a compilation too.
//
// The package knows nothing of the network, of rounds or of methods: an assignment tells it what to train on, a delta is
// a vector to add.
package worker
