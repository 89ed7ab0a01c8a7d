// Package node is the daemon: it assembles the parts and runs the loop.
//
// The loop owns the round machine: all that happens reaches it as events, one at a time. node/executor carries out, in order,
// the effects that touch vectors; node/keeper keeps the trainer process up; node/exchange asks peers and tells them; node/status
// holds what the node shows. The first three run in goroutines of their own, and executor and exchange post events to the loop: so it
// never waits for the network, the disk's vectors or the device.
//
// The daemon never calls GoMLX; only the trainer process does.
package node
