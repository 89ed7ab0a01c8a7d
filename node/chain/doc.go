// Package chain is a swarm's memory on one disk: commits, updates, payloads,
// states, and what this node had learned when it was last saved.
//
// It guarantees that what it was told to keep survives a kill -9 at any instant:
// every write that matters is a temporary file, fsync and rename, or a bbolt
// transaction, and a file is only served under an id that its bytes hash to. It
// decides nothing: which commits and payloads matter is node/round's to say.
package chain
