// Package p2p is murmur's network: the libp2p host, discovery of peers, gossip
// of small announcements, and streams that carry payloads and chain facts.
//
// It guarantees that a start never waits for another machine, that what comes
// out of Messages is decoded, bounded, of this swarm and signed by the peer it
// names, that a fetched blob on disk has the bytes its id promises, and that
// every queue, wait and message has a bound. It is the only package that may
// import libp2p; it must not know of rounds, models or methods.
package p2p
