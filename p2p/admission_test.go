package p2p

import (
	"context"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"

	"github.com/murmurnet/murmur/p2p/membership"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/prototest"
)

// communityKey signs for the swarm of these tests.
var communityKey = prototest.Key(99)

// memberBook is what node i knows of a swarm for members; saved is its proof.
func memberBook(t *testing.T, i int, saved []byte, key ed25519.PrivateKey) *membership.List {
	t.Helper()
	b, err := membership.New(membership.Params{
		Swarm: prototest.Swarm, Self: prototest.Peer(i), Keys: []ed25519.PublicKey{communityKey.Public().(ed25519.PublicKey)}, Key: key, Saved: saved,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Issue(time.Now())
	return b
}

func invited(t *testing.T, i int, until time.Duration) []byte {
	t.Helper()
	inv, err := membership.NewInvite(communityKey, prototest.Swarm, time.Now().Add(until), 0)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := inv.Enter(prototest.Swarm, prototest.Peer(i), nil)
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

func with(b *membership.List, from ...*Network) func(*Params) {
	return func(p *Params) {
		bootstrap(from...)(p)
		p.Members = b
	}
}

func ask(n, of *Network) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := n.Request(ctx, of.ID(), &murmurv1.SyncRequest{})
	return err
}

// hearers is how many peers a node gossips with.
func hearers(n *Network) int { return len(n.gossip.Subscribers()) }

func TestMembersAlone(t *testing.T) {
	holder := memberBook(t, 1, nil, communityKey)
	host := start(t, 1, with(holder))
	ada := start(t, 2, with(memberBook(t, 2, invited(t, 2, time.Hour), nil), host))
	until(t, host, 10*time.Second, "ada is let in, and heard", func() bool { return hearers(host) == 1 && hearers(ada) == 1 })
	if err := ask(ada, host); err != nil {
		t.Errorf("a member asks: %v", err)
	}
	if err := ask(host, ada); err != nil {
		t.Errorf("the host asks a member: %v", err)
	}
	for name, saved := range map[string][]byte{
		"nothing": nil, "what another peer was given": invited(t, 2, time.Hour), "an invite that has ended": invited(t, 3, -time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			eve := start(t, 3, with(memberBook(t, 3, saved, nil), host))
			until(t, eve, 10*time.Second, "eve is told why she is not let in", func() bool { return eve.Refusal() != "" })
			if err := ask(eve, host); err == nil {
				t.Error("a stranger was answered")
			}
			if hearers(eve) != 0 || hearers(host) != 1 {
				t.Error("a stranger hears the swarm")
			}
			want := map[string]string{"nothing": "ask one of them for an invite", "what another peer was given": "another peer's", "an invite that has ended": "has expired"}[name]
			if !strings.Contains(eve.Refusal(), want) {
				t.Errorf("she is told %q", eve.Refusal())
			}
		})
	}
}

func TestRevokedIsShutOut(t *testing.T) {
	holder := memberBook(t, 1, nil, communityKey)
	host := start(t, 1, with(holder))
	ada := start(t, 2, with(memberBook(t, 2, invited(t, 2, time.Hour), nil), host))
	bob := start(t, 3, with(memberBook(t, 3, invited(t, 3, time.Hour), nil), host, ada))
	until(t, host, 10*time.Second, "all are connected", func() bool { return hearers(ada) == 2 && hearers(bob) == 2 })
	if _, err := holder.Hear([]*murmurv1.Envelope{membership.NewNotice(communityKey, prototest.Swarm, murmurv1.Notice_PEER, []byte(prototest.Peer(2)))}); err != nil {
		t.Fatal(err)
	}
	host.Greet()
	until(t, bob, 10*time.Second, "ada is alone", func() bool { return hearers(ada) == 0 && hearers(bob) == 1 && len(ada.Connected()) == 0 })
	if ask(ada, bob) == nil {
		t.Error("bob answers whom the host threw out")
	}
}

// TestStrangersBecomeExpensive has strangers come from one address until it is not
// accepted any more.
func TestStrangersBecomeExpensive(t *testing.T) {
	host := start(t, 1, with(memberBook(t, 1, nil, communityKey)))
	here, came := multiaddr.StringCast("/ip4/127.0.0.1"), 0
	for ; !host.gater.barred(here); came++ { // one more for each refusalEvery that this takes
		eve := start(t, 100+came, with(memberBook(t, 100+came, nil, nil), host))
		until(t, eve, 10*time.Second, "a stranger is refused", func() bool { return eve.Refusal() != "" })
		_ = eve.Close()
	}
	if came < mostRefusals {
		t.Errorf("%d strangers were heard", came)
	}
	late := start(t, 30, with(memberBook(t, 30, nil, nil), host))
	if err := ask(late, host); err == nil || late.Refusal() != "" {
		t.Errorf("the next got as far as to be told why: %v, %q", err, late.Refusal())
	}
}
