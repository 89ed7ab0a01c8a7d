package membership

import (
	"crypto/ed25519"
	"testing"
	"time"

	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// TestRevokedComesBack has the holder of the community's key throw a member out, as murmur revoke does (a notice of kind PEER, node.Revoke). A minute later the same person
// comes in with another key by the link for one machine that it still has, and gets a membership for 90 days.
func TestRevokedComesBack(t *testing.T) {
	key := prototest.Key(99)
	keys := []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	inv, err := NewInvite(key, prototest.Swarm, now.AddDate(0, 0, 7), 1) // murmur invite
	if err != nil {
		t.Fatal(err)
	}
	enter := func(i int) *List {
		saved, err := inv.Enter(prototest.Swarm, prototest.Peer(i), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(Params{Swarm: prototest.Swarm, Self: prototest.Peer(i), Keys: keys, Saved: saved})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	holder, err := New(Params{Swarm: prototest.Swarm, Self: prototest.Peer(1), Keys: keys, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	meet := func(i int, b *List, at time.Time) error {
		proof, _ := b.Proof()
		if err := holder.Admit(prototest.Peer(i), proof, at); err != nil {
			return err
		}
		b.Take(holder.Renew(prototest.Peer(i), proof, at), at)
		return nil
	}
	bad := enter(2)
	if err := meet(2, bad, now); err != nil {
		t.Fatal(err)
	}
	if err := meet(3, enter(3), now); err == nil {
		t.Fatal("the link for one lets two in")
	}
	out := NewNotice(key, prototest.Swarm, murmurv1.Notice_PEER, []byte(prototest.Peer(2)))
	if _, err := holder.Hear([]*murmurv1.Envelope{out}); err != nil {
		t.Fatal(err)
	}
	at := now.Add(time.Minute)
	if err := meet(2, bad, at); err == nil {
		t.Fatal("the revoked key is let in")
	}
	for i := 3; i < 6; i++ { // each is thrown out in its turn
		again := enter(i)
		if err := meet(i, again, at); err != nil {
			continue
		}
		proof, _ := again.Proof()
		s, _ := holder.check(prototest.Peer(i), proof, nil, at)
		t.Errorf("who was thrown out is in again as another key, until %s", time.Unix(s.until, 0).UTC().Format(time.DateOnly))
		if _, err := holder.Hear([]*murmurv1.Envelope{NewNotice(key, prototest.Swarm, murmurv1.Notice_PEER, []byte(prototest.Peer(i)))}); err != nil {
			t.Fatal(err)
		}
	}
}
