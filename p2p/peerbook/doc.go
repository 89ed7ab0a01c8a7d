// Package peerbook remembers the peers of a swarm: where each can be dialled, when
// it was last connected, and when to dial it again. A file keeps the reached ones
// between starts.
//
// It guarantees that at most MaxPeers peers with maxPeerAddrs addresses each are
// remembered, that hearsay displaces no peer that was met or that the operator named,
// and that a damaged file costs the known peers and nothing else. It dials nobody,
// starts no goroutines, and must not know connections, streams or protocols.
package peerbook
