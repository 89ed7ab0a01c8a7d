// Package p2p is murmur's network: the libp2p host, discovery and admission of peers,
// ways through routers, and chain questions on streams. It assembles its parts, which
// do not know each other: gossip, blob and peerbook.
//
// It guarantees that a start never waits for another machine, that strangers get
// nothing from a swarm for members, that what its parts guarantee holds for a Network,
// and that every queue, wait and message has a bound. It and the packages below it
// alone import libp2p; it must not know of rounds, models or methods.
package p2p
