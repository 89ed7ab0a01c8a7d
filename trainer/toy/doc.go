// Package toy is a learner that costs next to nothing, in place of GoMLX, for measuring and simulating swarms.
//
// A step takes its time asleep and then moves one window of the parameters towards a fixed target: at 25M parameters a
// step of 100 ms uses well under a millisecond of processor time. What it does follows from its state, the tokens and
// the rate alone, nodes with different tokens learn different things, and what one learned lowers the loss of all. It
// keeps θ and no moments, so a child needs 4 bytes a parameter beside the exchange file.
//
// The package must not know of rounds or the network. It is reached by the backend name "toy:100ms", which says how long
// a step takes.
package toy
