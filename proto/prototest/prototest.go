// Package prototest makes keys and messages of invented nodes, for tests of what reads and carries messages.
//
// It guarantees the same ones in every run.
package prototest

import (
	"crypto/ed25519"
	"fmt"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Swarm is the id of the nodes' swarm.
var Swarm = proto.Sum([]byte("a swarm for tests"))

// Key is the key of node i.
func Key(i int) ed25519.PrivateKey {
	seed := proto.Sum(fmt.Appendf(nil, "key of test node %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Peer is the id of node i.
func Peer(i int) proto.PeerID { return proto.PeerOf(Key(i).Public().(ed25519.PublicKey)) }

// Heartbeat is a valid one after so many tokens.
func Heartbeat(tokens uint64) *murmurv1.Heartbeat {
	return &murmurv1.Heartbeat{
		Swarm: Swarm[:], Head: make([]byte, 32), Tokens: tokens, Rate: 1234.5,
		State: "training", Version: "0.0.0-test", IntervalMs: 900, Backend: "go",
	}
}

// Update is node i's signed one for round 1.
func Update(i int, seq uint64) *murmurv1.Envelope {
	id := proto.Sum(fmt.Append(nil, "payload", i, seq))
	return proto.Seal(Key(i), proto.DomainUpdate, proto.Encode(&murmurv1.Update{
		Swarm: Swarm[:], Author: []byte(Peer(i)), Parent: make([]byte, 32), Height: 1, Seq: seq,
		Tokens: 1000, Payload: id[:], PayloadSize: 110_000, High: 7, Loss: 3.5,
	}))
}

// Announce is node i's signed one of a commit for round 1.
func Announce(i int) *murmurv1.Envelope {
	return proto.Seal(Key(i), proto.DomainAnnounce, proto.Encode(&murmurv1.Announce{
		Swarm: Swarm[:], Commit: make([]byte, 32), Parent: make([]byte, 32), Height: 1, Closer: []byte(Peer(i)),
	}))
}
