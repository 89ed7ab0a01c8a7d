// Package lab starts real murmur daemons on this machine, breaks them, and
// measures: it is behind murmur demo and murmur bench.
//
// It steers and reads daemons as a user does, by their command line and their API.
// Of their parts it uses node/manifest and node/founding to make the swarms that they
// run, and p2p to read a swarm's link. It takes the size of a payload from a daemon's
// directory, and ranks the closers of a round by the rule of docs/protocol.md, to know
// whom to end. It ends every process that it started.
package lab
