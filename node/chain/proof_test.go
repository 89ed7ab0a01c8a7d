package chain

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// TestProofInUpdate reads from an update by whose word its author belongs, and refuses a
// proof that is another's or is broken.
func TestProofInUpdate(t *testing.T) {
	community := testKey(7)
	key := func(k ed25519.PrivateKey) round.Key { return round.Key(k.Public().(ed25519.PublicKey)) }
	member := func(peer proto.PeerID, swarm proto.ID) *murmurv1.Proof {
		m := proto.Encode(&murmurv1.Member{Swarm: swarm[:], Peer: []byte(peer), Until: 1})
		return &murmurv1.Proof{Member: proto.Seal(community, proto.DomainMember, m)}
	}
	invite, err := membership.NewInvite(community, testSwarm, time.Unix(1, 0), 3)
	if err != nil {
		t.Fatal(err)
	}
	entered := func(peer proto.PeerID) *murmurv1.Proof {
		e := proto.Encode(&murmurv1.Entry{Swarm: testSwarm[:], Peer: []byte(peer)})
		return &murmurv1.Proof{Invite: invite.Signed, Entry: proto.Seal(invite.Key, proto.DomainEntry, e)}
	}
	broken := member(peerOf(1), testSwarm)
	broken.Member.Sig[5] ^= 1
	mixed := entered(peerOf(1))
	mixed.Entry = proto.Seal(testKey(8), proto.DomainEntry, mixed.Entry.Payload)
	for _, c := range []struct {
		name  string
		proof *murmurv1.Proof
		want  round.Proof
		ok    bool
	}{
		{"none", nil, round.Proof{}, true},
		{"a membership, though it has ended", member(peerOf(1), testSwarm), round.Proof{Signer: key(community), Renewed: true}, true},
		{"an invite", entered(peerOf(1)), round.Proof{Signer: key(community), Invite: key(invite.Key), Uses: 3}, true},
		{"another peer's membership", member(peerOf(2), testSwarm), round.Proof{}, false},
		{"another peer's entry", entered(peerOf(2)), round.Proof{}, false},
		{"another swarm's", member(peerOf(1), proto.Sum([]byte("another"))), round.Proof{}, false},
		{"broken", broken, round.Proof{}, false},
		{"an entry by another key", mixed, round.Proof{}, false},
		{"an invite without an entry", &murmurv1.Proof{Invite: invite.Signed}, round.Proof{}, false},
		{"empty", &murmurv1.Proof{}, round.Proof{}, false},
	} {
		w, err := wire.Update{Author: peerOf(1), Height: 1, Seq: 1, Tokens: 1, Size: 1, Proof: c.proof}.Seal(testSwarm, testKey(1))
		if got := updateOf(w); (err == nil) != c.ok || c.ok && got.Proof != c.want {
			t.Errorf("%s: %+v, %v", c.name, got.Proof, err)
		}
	}
}
