// Package node is the daemon: it assembles the round machine, the chain, the
// replica, the trainer process, the network and the API, and keeps them running.
//
// Three goroutines do its work. The loop owns the round machine: all that
// happens reaches it as events, one at a time. The hand owns the replica and the
// trainer: it carries out, in order, the effects that touch vectors. The keeper
// starts the trainer process and starts it again when it ends. Transfers run in
// goroutines of their own and report to the loop. So the loop never waits for
// the network, the disk's vectors or the device.
//
// The daemon never calls GoMLX; only the trainer process does.
package node
