package gossip

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

var testSwarm = proto.Sum([]byte("a swarm for tests"))

// testKey is the key of node i, the same in every run.
func testKey(i int) ed25519.PrivateKey {
	seed := proto.Sum(fmt.Appendf(nil, "key of test node %d", i))
	return ed25519.NewKeyFromSeed(seed[:])
}

func peerOf(i int) proto.PeerID {
	return proto.PeerOf(testKey(i).Public().(ed25519.PublicKey))
}

func heartbeat(tokens uint64) *murmurv1.Heartbeat {
	return &murmurv1.Heartbeat{
		Swarm: testSwarm[:], Head: make([]byte, 32), Tokens: tokens, Rate: 1234.5,
		State: "training", Version: "0.0.0-test", IntervalMs: 900, Backend: "go",
	}
}

func update(i int, seq uint64) *murmurv1.Envelope {
	id := proto.Sum(fmt.Append(nil, "payload", i, seq))
	return proto.Seal(testKey(i), proto.DomainUpdate, proto.Encode(&murmurv1.Update{
		Swarm: testSwarm[:], Author: []byte(peerOf(i)), Parent: make([]byte, 32), Height: 1, Seq: seq,
		Tokens: 1000, Payload: id[:], PayloadSize: 110_000, High: 7, Loss: 3.5,
	}))
}

// topics are without a host: what they check and let through shows without one.
func topics(now func() time.Time, outsider func(peer.ID) bool) *Topics {
	p := Params{Swarm: testSwarm, Members: func() *membership.List { return nil }, Outsider: outsider}
	return newTopics(p, "self", now)
}
