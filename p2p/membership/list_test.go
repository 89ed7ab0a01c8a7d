package membership

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

var (
	swarm = proto.Sum([]byte("a swarm for members"))
	start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

func keyOf(name string) ed25519.PrivateKey {
	seed := proto.Sum([]byte("key of " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func peerOf(name string) proto.PeerID { return proto.PeerOf(keyOf(name).Public().(ed25519.PublicKey)) }

// community is the key that the manifest names.
var community = keyOf("the community")

func list(t *testing.T, self string, change func(*Params)) *List {
	t.Helper()
	p := Params{Swarm: swarm, Self: peerOf(self), Keys: []ed25519.PublicKey{community.Public().(ed25519.PublicKey)}}
	if change != nil {
		change(&p)
	}
	b, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func invite(t *testing.T, by ed25519.PrivateKey, uses uint32) Invite {
	t.Helper()
	i, err := NewInvite(by, swarm, start.Add(time.Hour), uses)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseInvite(i.String())
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// proof is what a newcomer shows.
func proof(t *testing.T, name string, i Invite) *murmurv1.Proof {
	t.Helper()
	p, _ := list(t, name, func(p *Params) { p.Saved = entered(t, i, p.Self, nil) }).Proof()
	return p
}

func entered(t testing.TB, i Invite, peer proto.PeerID, saved []byte) []byte {
	t.Helper()
	b, err := i.Enter(swarm, peer, saved)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEnterAgain: who comes with a new invite forgets nothing of what it heard.
func TestEnterAgain(t *testing.T) {
	first := invite(t, community, 1)
	b := list(t, "ada", func(p *Params) { p.Saved = entered(t, first, p.Self, nil) })
	if _, err := b.Hear([]*murmurv1.Envelope{NewNotice(community, swarm, murmurv1.Notice_PEER, []byte(peerOf("eve")))}); err != nil {
		t.Fatal(err)
	}
	saved := b.Encode()
	b = list(t, "ada", func(p *Params) { p.Saved = entered(t, invite(t, community, 2), p.Self, saved) })
	if err := b.Admit(peerOf("eve"), proof(t, "eve", first), start); !errors.Is(err, ErrRevoked) {
		t.Errorf("who was thrown out: %v", err)
	}
	shown, _ := b.Proof()
	if err := list(t, "host", nil).Admit(peerOf("ada"), shown, start); err != nil {
		t.Errorf("the new invite: %v", err)
	}
	if _, err := first.Enter(swarm, peerOf("ada"), []byte("no list")); err == nil {
		t.Error("a damaged list is entered")
	}
}

func TestAdmit(t *testing.T) {
	good := invite(t, community, 0)
	later := func(p *murmurv1.Proof) (*murmurv1.Proof, time.Time) { return p, start.Add(2 * time.Hour) }
	now := func(p *murmurv1.Proof) (*murmurv1.Proof, time.Time) { return p, start }
	own := func() *murmurv1.Proof { return proof(t, "ada", good) }
	mixed := own()
	mixed.Entry = proof(t, "ada", invite(t, community, 0)).Entry
	broken := own()
	broken.Invite.Sig[3] ^= 1
	elsewhere, err := NewInvite(community, proto.Sum([]byte("another swarm")), start.Add(time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		proof *murmurv1.Proof
		at    time.Time
		want  error
	}{
		{name: "an invite", proof: own(), at: start},
		{name: "nothing", at: start, want: ErrNoProof},
		{name: "an empty proof", proof: &murmurv1.Proof{}, at: start, want: ErrNoProof},
		{name: "expired", want: ErrExpired},
		{name: "another peer's", proof: proof(t, "eve", good), at: start, want: ErrForged},
		{name: "an invite of a stranger", proof: proof(t, "ada", invite(t, keyOf("a stranger"), 0)), at: start, want: ErrForged},
		{name: "an entry by another invite", proof: mixed, at: start, want: ErrForged},
		{name: "a signature changed", proof: broken, at: start, want: ErrForged},
		{name: "an invite of another swarm", proof: proof(t, "ada", elsewhere), at: start, want: ErrForged},
		{name: "no entry", proof: &murmurv1.Proof{Invite: good.Signed}, at: start, want: ErrForged},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, at := now(test.proof)
			if test.at.IsZero() {
				p, at = later(own())
			}
			b := list(t, "host", nil)
			if err := b.Admit(peerOf("ada"), p, at); !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if got := b.Admitted(peerOf("ada"), at); got != (test.want == nil) {
				t.Errorf("admitted: %v", got)
			}
		})
	}
}

func TestUsesAreCounted(t *testing.T) {
	i, b := invite(t, community, 2), list(t, "host", nil)
	for _, name := range []string{"ada", "bob", "ada", "bob"} {
		if err := b.Admit(peerOf(name), proof(t, name, i), start); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	b = list(t, "host", func(p *Params) { p.Saved = b.Encode() })
	if err := b.Admit(peerOf("eve"), proof(t, "eve", i), start); !errors.Is(err, ErrUsedUp) {
		t.Errorf("the third of two: %v", err)
	}
	if err := b.Admit(peerOf("bob"), proof(t, "bob", i), start); err != nil {
		t.Errorf("one of two, again: %v", err)
	}
}

func TestRevocation(t *testing.T) {
	i, b := invite(t, community, 0), list(t, "host", nil)
	admit := func(name string) error { return b.Admit(peerOf(name), proof(t, name, i), start) }
	for _, name := range []string{"ada", "bob"} {
		if err := admit(name); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(e ...*murmurv1.Envelope) bool {
		t.Helper()
		news, err := b.Hear(e)
		if err != nil {
			t.Fatal(err)
		}
		return news
	}
	if hear(NewNotice(keyOf("a stranger"), swarm, murmurv1.Notice_PEER, []byte(peerOf("ada")))) {
		t.Error("a stranger's notice counts")
	}
	out := NewNotice(community, swarm, murmurv1.Notice_PEER, []byte(peerOf("ada")))
	if !hear(out) || hear(out) {
		t.Error("a notice is news once")
	}
	if b.Admitted(peerOf("ada"), start) || !b.Admitted(peerOf("bob"), start) {
		t.Error("ada is still in, or bob is out")
	}
	if err := admit("ada"); !errors.Is(err, ErrRevoked) {
		t.Errorf("ada again: %v", err)
	}
	b = list(t, "host", func(p *Params) { p.Saved = b.Encode() })
	if err := admit("ada"); !errors.Is(err, ErrRevoked) {
		t.Errorf("ada after a restart: %v", err)
	}
	if err := admit("bob"); err != nil {
		t.Fatal(err)
	}
	hear(NewNotice(community, swarm, murmurv1.Notice_INVITE, i.Key.Public().(ed25519.PublicKey)))
	if b.Admitted(peerOf("bob"), start) {
		t.Error("who came in by a revoked invite is still in")
	}
}

// TestKeysChange has a second key take over, told in the wrong order.
func TestKeysChange(t *testing.T) {
	second := keyOf("the community's second")
	b := list(t, "host", nil)
	news := NewNotice(community, swarm, murmurv1.Notice_NEW_KEY, second.Public().(ed25519.PublicKey))
	drop := NewNotice(second, swarm, murmurv1.Notice_DROP_KEY, community.Public().(ed25519.PublicKey))
	if _, err := b.Hear([]*murmurv1.Envelope{drop, news}); err != nil {
		t.Fatal(err)
	}
	if err := b.Admit(peerOf("ada"), proof(t, "ada", invite(t, community, 0)), start); !errors.Is(err, ErrForged) {
		t.Errorf("by the dropped key: %v", err)
	}
	if err := b.Admit(peerOf("ada"), proof(t, "ada", invite(t, second, 0)), start); err != nil {
		t.Errorf("by the new key: %v", err)
	}
}

func TestRenewal(t *testing.T) {
	holder := list(t, "host", func(p *Params) { p.Key = community })
	ada := list(t, "ada", func(p *Params) { p.Saved = entered(t, invite(t, community, 1), p.Self, nil) })
	shown, _ := ada.Proof()
	ada.Take(holder.Renew(peerOf("ada"), shown, start), start)
	shown, _ = ada.Proof()
	if shown.Member == nil {
		t.Fatal("the membership was not renewed")
	}
	stranger := list(t, "third", nil)
	if err := stranger.Admit(peerOf("ada"), shown, start.Add(80*24*time.Hour)); err != nil {
		t.Errorf("long after the invite ended: %v", err)
	}
	if err := stranger.Admit(peerOf("ada"), shown, start.Add(100*24*time.Hour)); !errors.Is(err, ErrExpired) {
		t.Errorf("after the membership ended: %v", err)
	}
	if err := stranger.Admit(peerOf("eve"), shown, start); !errors.Is(err, ErrForged) {
		t.Errorf("in another's hands: %v", err)
	}
	if holder.Renew(peerOf("ada"), shown, start.Add(time.Hour)) != nil {
		t.Error("a fresh membership is renewed")
	}
	if stranger.Renew(peerOf("ada"), shown, start) != nil {
		t.Error("renewed without a key")
	}
}

// TestRenewedStillCounts has the holder of an invite for one show it by one key to the community's node alone, which
// renews it, and by a second to everybody else: they let one of the two in.
func TestRenewedStillCounts(t *testing.T) {
	i := invite(t, community, 1)
	holder, host := list(t, "holder", func(p *Params) { p.Key = community }), list(t, "host", nil)
	renewed := &murmurv1.Proof{Member: holder.Renew(peerOf("first"), proof(t, "first", i), start)}
	if err := host.Admit(peerOf("first"), renewed, start); err != nil {
		t.Fatal(err)
	}
	if err := host.Admit(peerOf("second"), proof(t, "second", i), start); !errors.Is(err, ErrUsedUp) {
		t.Errorf("a second key by the invite: %v", err)
	}
	late := list(t, "late", nil)
	if err := errors.Join(late.Admit(peerOf("second"), proof(t, "second", i), start), late.Admit(peerOf("first"), renewed, start)); err != nil {
		t.Errorf("a member is out where another entered by its invite before: %v", err)
	}
	if _, err := host.Hear([]*murmurv1.Envelope{NewNotice(community, swarm, murmurv1.Notice_INVITE, i.Key.Public().(ed25519.PublicKey))}); err != nil {
		t.Fatal(err)
	}
	if !host.Admitted(peerOf("first"), start) || host.Admit(peerOf("first"), renewed, start) != nil {
		t.Error("a membership ends with the invite that it came by")
	}
}

func TestLists(t *testing.T) {
	b := list(t, "host", func(p *Params) { p.Keys, p.Members = nil, []proto.PeerID{peerOf("ada")} })
	if err := b.Admit(peerOf("ada"), nil, start); err != nil {
		t.Error(err)
	}
	if err := b.Admit(peerOf("eve"), nil, start); !errors.Is(err, ErrNoProof) {
		t.Errorf("who is not on the list: %v", err)
	}
	open := list(t, "host", func(p *Params) { p.Keys = nil })
	if err := open.Admit(peerOf("eve"), nil, start); err != nil || !open.Open() {
		t.Errorf("an open swarm: %v", err)
	}
}

func FuzzParseInvite(f *testing.F) {
	i, err := NewInvite(community, swarm, start, 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(i.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := ParseInvite(s); err == nil {
			if again, err := ParseInvite(i.String()); err != nil || !again.Key.Equal(i.Key) {
				t.Fatalf("%q is read, and not read again: %v", s, err)
			}
		}
	})
}

func FuzzAdmit(f *testing.F) {
	i, err := NewInvite(community, swarm, start.Add(time.Hour), 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(entered(f, i, peerOf("ada"), nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var saved murmurv1.MemberList
		if proto.Decode(raw, proto.MaxMemberList, &saved) != nil {
			return
		}
		b := list(t, "host", nil)
		_, _ = b.Hear(saved.Notices)
		if b.Admit(peerOf("eve"), saved.Proof, start) == nil {
			t.Fatal("eve, whom nobody invited, is let in")
		}
	})
}

// TestOldRenewal has somebody answer with an older membership of this node's, which stands in its old updates: the newer one stays.
func TestOldRenewal(t *testing.T) {
	second := keyOf("the second key")
	news := NewNotice(community, swarm, murmurv1.Notice_NEW_KEY, second.Public().(ed25519.PublicKey))
	drop := NewNotice(second, swarm, murmurv1.Notice_DROP_KEY, community.Public().(ed25519.PublicKey))
	for name, rotated := range map[string]bool{"of an earlier end": false, "of an older key": true} {
		holder, host := list(t, "holder", func(p *Params) { p.Key = community }), list(t, "host", nil)
		ada := list(t, "ada", func(p *Params) { p.Saved = entered(t, invite(t, community, 1), p.Self, nil) })
		renew := func(now time.Time) *murmurv1.Envelope {
			shown, _ := ada.Proof()
			m := holder.Renew(peerOf("ada"), shown, now)
			ada.Take(m, now)
			return m
		}
		later := start
		old := renew(start)
		if rotated {
			for _, b := range []*List{holder, ada, host} {
				if _, err := b.Hear([]*murmurv1.Envelope{news}); err != nil {
					t.Fatal(err)
				}
			}
			holder.Sign(second, start)
		} else {
			later = start.Add(31 * 24 * time.Hour)
		}
		renew(later)
		ada.Take(old, later)
		if rotated {
			if _, err := host.Hear([]*murmurv1.Envelope{drop}); err != nil {
				t.Fatal(err)
			}
		}
		shown, _ := ada.Proof()
		if err := host.Admit(peerOf("ada"), shown, start.Add(91*24*time.Hour)); err != nil && !rotated {
			t.Errorf("%s: %v", name, err)
		}
		if err := host.Admit(peerOf("ada"), shown, start); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRenewedTooEarly: without the manifest, nothing takes the place of the invite that the link had.
func TestRenewedTooEarly(t *testing.T) {
	ada := list(t, "ada", func(p *Params) {
		p.Saved, p.Keys = entered(t, invite(t, community, 1), p.Self, nil), nil
	})
	ada.Take(&murmurv1.Envelope{Payload: []byte("anything")}, start)
	shown, _ := ada.Proof()
	if err := list(t, "host", nil).Admit(peerOf("ada"), shown, start); err != nil {
		t.Error(err)
	}
}

// TestNoticesOfNobody: of a hello full of notices that the community did not sign nothing is taken; at most one signature is checked.
func TestNoticesOfNobody(t *testing.T) {
	stranger := keyOf("a stranger")
	for name, forge := range map[string]func(e *murmurv1.Envelope){
		"a stranger's":   func(*murmurv1.Envelope) {},
		"in its name":    func(e *murmurv1.Envelope) { e.Key = community.Public().(ed25519.PublicKey) },
		"by a named key": func(e *murmurv1.Envelope) { e.Key = nil },
	} {
		b := list(t, "host", nil)
		var junk []*murmurv1.Envelope
		for i := range 10 * proto.MaxNotices {
			e := NewNotice(stranger, swarm, murmurv1.Notice_NEW_KEY, []byte{byte(i), byte(i >> 8)})
			forge(e)
			junk = append(junk, e)
		}
		if got := b.open(junk); len(got) > 0 {
			t.Errorf("%s: %d kinds are taken", name, len(got))
		}
		if news, err := b.Hear(append(junk, NewNotice(community, swarm, murmurv1.Notice_PEER, []byte(peerOf("eve"))))); news || err != nil {
			t.Errorf("%s: %v, %v", name, news, err)
		}
		if news, err := b.Hear([]*murmurv1.Envelope{NewNotice(community, swarm, murmurv1.Notice_PEER, []byte(peerOf("eve")))}); !news || err != nil {
			t.Errorf("%s: a good one after it: %v, %v", name, news, err)
		}
	}
}
