package membership

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto/prototest"
)

// TestHolderRunsOn has the machine with the community's key run for 91 days, as a daemon does that nobody stops: it greets a member each hour (p2p.greetLoop), shows
// its proof and renews the member's. It issued its own membership when it started (node.openMembers), and never again.
func TestHolderRunsOn(t *testing.T) {
	key := prototest.Key(99)
	keys := []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	holder, err := New(Params{Swarm: prototest.Swarm, Self: prototest.Peer(1), Keys: keys, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	holder.Issue(began)
	inv, err := NewInvite(key, prototest.Swarm, began.AddDate(0, 0, 7), 1)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := inv.Enter(prototest.Swarm, prototest.Peer(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	member, err := New(Params{Swarm: prototest.Swarm, Self: prototest.Peer(2), Keys: keys, Saved: saved})
	if err != nil {
		t.Fatal(err)
	}
	shut := time.Duration(0)
	for at := began; at.Before(began.AddDate(0, 0, 181)); at = at.Add(time.Hour) {
		theirs, _ := member.Proof()
		mine, _ := holder.Proof()
		let := member.Admit(prototest.Peer(1), mine, at) == nil
		if err := holder.Admit(prototest.Peer(2), theirs, at); err != nil {
			t.Fatalf("after %d days the holder refuses the member: %v", at.Sub(began)/(24*time.Hour), err)
		}
		if let {
			member.Take(holder.Renew(prototest.Peer(2), theirs, at), at)
		} else if shut == 0 {
			shut = at.Sub(began)
			t.Errorf("after %d days the member refuses the holder of the community's key: %v", shut/(24*time.Hour), member.Admit(prototest.Peer(1), mine, at))
			// Nobody renews the member's from here on.
		}
	}
}
