// Package peerbook remembers the peers of a swarm: where each can be dialled, when
// it was last connected, and when to dial it again. A file keeps the reached ones
// between starts.
//
// It guarantees that at most MaxPeers peers with maxPeerAddrs addresses each are
// remembered unless the operator named more, that a peer which was never reached makes
// room before one that was, and that a damaged file costs the known peers and nothing
// else. It dials nobody,
// starts no goroutines, and must not know connections, streams or protocols.
package peerbook
