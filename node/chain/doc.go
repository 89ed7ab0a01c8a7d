// Package chain is a swarm's memory on one disk: commits, updates, payloads,
// states, and what this node had learned when it was last saved.
//
// It guarantees that what a call has put on disk when it returns nil survives a
// kill -9 and a power cut at any instant, and that what was not finished is there
// whole or not at all: every write that matters is a temporary file, fsync,
// rename and fsync of the directory, or a bbolt transaction. A file is only
// served under an id that its bytes hash to. A damaged chain.db is moved aside
// and told of (Store.Damaged), never a reason not to start. What it keeps is
// bounded by Rebase on disk, and in memory also by constants. Daily states, which
// no protocol needs, are bounded by their number and by the room that is left.
//
// It decides nothing: which commits and payloads matter is node/round's to say.
package chain
