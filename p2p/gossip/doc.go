// Package gossip carries the small messages of a swarm on two topics: updates with
// announcements of commits, and heartbeats.
//
// It guarantees that what comes out of Messages is decoded, bounded, of this swarm,
// signed by the author that it names and within that author's rate, that a neighbour
// is read no faster than its pace, that no heartbeat passes which is older than one
// heard before, and that every queue and memory has a bound; what it drops it counts
// by cause. It must not know how peers are found, what is fetched, or what rounds do
// with a message.
package gossip
