// Package wire reads and writes murmur's signed messages, and heartbeats, which gossip signs.
//
// It guarantees that what it returns was checked: sizes before decoding, the signature once, that it is of the swarm and by who it
// says, lengths of ids, numbers that are numbers. It must not know of the chain, of who is a member, nor of networks.
package wire
