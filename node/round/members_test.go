package round

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// notice names itself by what it says.
func notice(kind NoticeKind, subject string, signer Key) Notice {
	return Notice{ID: proto.Sum(fmt.Append(nil, kind, subject, signer)), Kind: kind, Subject: subject, Signer: signer}
}

func sorted(ns ...Notice) []Notice {
	slices.SortFunc(ns, func(a, b Notice) int { return compareIDs(a.ID, b.ID) })
	return ns
}

func TestMembers(t *testing.T) {
	by := Membership{Keys: []Key{"first"}, Peers: []proto.PeerID{"listed"}}
	update := func(author proto.PeerID, signer, invite Key) Update {
		return Update{Author: author, Proof: Proof{Signer: signer, Invite: invite}}
	}
	for _, c := range []struct {
		name    string
		u       Update
		notices []Notice
		want    bool
	}{
		{"no proof", update("ada", "", ""), nil, false},
		{"a membership", update("ada", "first", ""), nil, true},
		{"an invite", update("ada", "first", "invite"), nil, true},
		{"a stranger's", update("ada", "stranger", ""), nil, false},
		{"listed by the manifest", update("listed", "", ""), nil, true},
		{"listed and revoked", update("listed", "", ""), sorted(notice(RevokePeer, "listed", "first")), false},
		{"revoked", update("ada", "first", ""), sorted(notice(RevokePeer, "ada", "first")), false},
		{"another is revoked", update("ada", "first", ""), sorted(notice(RevokePeer, "bob", "first")), true},
		{"the invite is revoked", update("ada", "first", "invite"), sorted(notice(RevokeInvite, "invite", "first")), false},
		{"by a new key", update("ada", "second", ""), sorted(notice(NewKey, "second", "first")), true},
		{"by a new key's new key", update("ada", "third", ""), sorted(notice(NewKey, "third", "second"), notice(NewKey, "second", "first")), true},
		{"by a dropped key", update("ada", "first", ""), sorted(notice(NewKey, "second", "first"), notice(DropKey, "first", "second")), false},
	} {
		if ms := newMembers(by, c.notices); ms.admits(c.u) != c.want || ms.unauthorised {
			t.Errorf("%s: admitted %v, unauthorised %v", c.name, !c.want, ms.unauthorised)
		}
	}
	if !newMembers(Membership{}, nil).admits(update("ada", "", "")) {
		t.Error("an open swarm asks for a proof")
	}
}

// TestNoticesGrow has commits carry notices: all of the parent's, and new ones by keys that
// count there.
func TestNoticesGrow(t *testing.T) {
	out, second, drop := notice(RevokePeer, "ada", "first"), notice(NewKey, "second", "first"), notice(DropKey, "first", "second")
	parent := newMembers(Membership{Keys: []Key{"first"}}, sorted(out))
	dropped := newMembers(Membership{Keys: []Key{"first"}}, sorted(out, second, drop))
	many := []Notice{out}
	for i := range proto.MaxNotices {
		many = append(many, notice(RevokePeer, fmt.Sprint(i), "first"))
	}
	for _, c := range []struct {
		name    string
		parent  *members
		notices []Notice
		want    bool
	}{
		{"the parent's", parent, sorted(out), true},
		{"one forgotten", parent, nil, false},
		{"one more", parent, sorted(out, second), true},
		{"a new key, and one by it", parent, sorted(out, second, drop), true},
		{"a stranger's", parent, sorted(out, notice(RevokePeer, "bob", "stranger")), false},
		{"by a dropped key", dropped, sorted(out, second, drop, notice(RevokePeer, "bob", "first")), false},
		{"twice", parent, []Notice{out, out}, false},
		{"too many", parent, sorted(many...), false},
		{"in an open swarm", newMembers(Membership{}, nil), sorted(out), false},
	} {
		after, ok := c.parent.extended(c.notices)
		if ok != c.want || ok && !slices.Equal(after.notices, c.notices) {
			t.Errorf("%s: taken %v", c.name, ok)
		}
	}
	known := map[proto.ID]Notice{}
	for _, n := range []Notice{out, second, drop, notice(RevokePeer, "bob", "stranger")} {
		known[n.ID] = n
	}
	if got := parent.with(known); !slices.Equal(got, sorted(out, second, drop)) {
		t.Errorf("a closer would carry %v", got)
	}
	again := out
	again.Signer = "second" // two who have a community key each say the same
	known[out.ID] = again
	if got := parent.with(known); !slices.Equal(got, sorted(out, second, drop)) {
		t.Errorf("with a notice by two keys, a closer would carry %v", got)
	}
}

func TestVoters(t *testing.T) {
	roster := func(seen ...uint8) (c Commit) {
		for i, s := range seen {
			c.Roster = append(c.Roster, Member{Peer: proto.PeerID(rune('a' + i)), Seen: s})
		}
		return c
	}
	closed := Config{Membership: Membership{Keys: []Key{"first"}}}
	for _, c := range []struct {
		name      string
		cfg       Config
		commit    Commit
		voters    string
		newcomers int
	}{
		{"genesis", Config{}, roster(), "", proto.MaxUpdates},
		{"one", Config{}, roster(1), "a", 1},
		{"two", Config{}, roster(8, 1), "ab", 1},
		{"three who began together", Config{}, roster(2, 2, 2), "abc", 1},
		{"three, and keys that came later", Config{}, roster(5, 5, 5, 1, 1, 1, 4), "abc", 1},
		{"two seniors: the third longest in decides", Config{}, roster(8, 8, 1, 1), "abcd", 1},
		{"past probation nobody is older", Config{}, roster(8, 8, 8, 8, 8, 7), "abcde", 2},
		{"members", closed, roster(8, 8, 8, 1), "abcd", proto.MaxUpdates},
	} {
		got := ""
		for _, p := range c.cfg.voters(c.commit) {
			got += string(p)
		}
		if got != c.voters || c.cfg.newcomers(c.commit) != c.newcomers {
			t.Errorf("%s: voters %q, %d newcomers", c.name, got, c.cfg.newcomers(c.commit))
		}
	}
}

// TestInviteGivesPlaces has keys without end enter by one invite.
func TestInviteGivesPlaces(t *testing.T) {
	cfg := testConfig("peer-A")
	cfg.Membership.Keys = []Key{testCommunity}
	m, err := New(cfg, State{Base: testGenesis(), Head: testGenesis().ID, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	update := func(parent Commit, author string, uses uint32) Update {
		u := Update{
			Author: proto.PeerID(author), Parent: parent.ID, Height: parent.Height + 1, Tokens: 1, Size: 1, Payload: proto.Sum([]byte(author)),
			Proof: Proof{Signer: testCommunity, Invite: "invite", Uses: uses},
		}
		u.ID = idOfUpdate(u)
		return u
	}
	genesis := testGenesis()
	for _, c := range []struct {
		authors []string
		uses    uint32
		want    bool
	}{
		{[]string{"a"}, 1, true},
		{[]string{"a", "b"}, 1, false},
		{[]string{"a", "b"}, 2, true},
		{[]string{"a", "b", "c", "d"}, 0, true},
	} {
		var us []Update
		for _, a := range c.authors {
			us = append(us, update(genesis, a, c.uses))
		}
		commit := Derive(cfg, genesis, us, nil, nil)
		if _, _, ok := m.wellFormed(genesis, m.head.members, commit, indexed(us)); ok != c.want {
			t.Errorf("%v by an invite for %d: %v", c.authors, c.uses, ok)
		}
	}
	for age := range uint8(rosterDepth) { // another key, while the first still has its place
		parent := Commit{ID: proto.Sum([]byte("parent")), Height: 9, Target: 1, Roster: []Member{{Peer: "a", Age: age, Seen: 1, Invite: "invite"}}}
		us := []Update{update(parent, "b", 1)}
		commit := Derive(cfg, parent, us, nil, nil)
		if _, _, ok := m.wellFormed(parent, m.head.members, commit, indexed(us)); ok != (age+1 == rosterDepth) {
			t.Errorf("%d commits after the first key: %v", age+1, ok)
		}
	}
}

// TestRevokedLeaves has a revoked member out of the roster of the commit that says so, and out of
// what may be listed on it.
func TestRevokedLeaves(t *testing.T) {
	cfg := testConfig("peer-A")
	cfg.Membership.Keys = []Key{testCommunity}
	genesis := testGenesis()
	m, err := New(cfg, State{Base: genesis, Head: genesis.ID, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	update := func(parent Commit, author proto.PeerID) Update {
		u := Update{Author: author, Parent: parent.ID, Height: parent.Height + 1, Tokens: 1, Size: 1, Payload: proto.Sum([]byte(author)), Proof: Proof{Signer: testCommunity}}
		u.ID = idOfUpdate(u)
		return u
	}
	out := notice(RevokePeer, "ada", testCommunity)
	us := []Update{update(genesis, "ada"), update(genesis, "bob")}
	for _, u := range us {
		m.Step(time.Second, Seen{Update: u})
	}
	m.Step(time.Second, Noticed{Notices: []Notice{out}})
	if listed, _ := m.candidates(m.head); len(listed) != 1 || listed[0].Author != "bob" {
		t.Errorf("who was heard to be revoked is listed: %v", listed)
	}
	c := Derive(cfg, genesis, us, nil, []Notice{out})
	c.ID = idOf(c)
	_, after, ok := m.wellFormed(genesis, m.head.members, c, indexed(us))
	if !ok {
		t.Fatal("a commit is called invalid for a notice that it is the first to carry")
	}
	if len(c.Roster) != 1 || c.Roster[0].Peer != "bob" {
		t.Errorf("the roster is %v", c.Roster)
	}
	us = []Update{update(c, "ada"), update(c, "bob")}
	if _, _, ok := m.wellFormed(c, after, Derive(cfg, c, us, nil, c.Notices), indexed(us)); ok {
		t.Error("the revoked member is listed on that commit")
	}
}

func TestCheckpoint(t *testing.T) {
	at := func(height uint64, skip proto.ID) Commit {
		return Commit{ID: proto.Sum(fmt.Append(nil, height, skip)), Height: height, Skip: skip}
	}
	c6 := at(6, proto.Sum([]byte("genesis")))
	c12 := at(12, c6.ID)
	c18 := at(18, c12.ID)
	c19 := at(19, c18.ID)
	stray := at(6, proto.Sum([]byte("elsewhere")))
	for _, c := range []struct {
		name  string
		point Commit
		e     Foreign
		want  bool
	}{
		{"none", Commit{}, Foreign{Branch: []Commit{c18, c19}}, true},
		{"on the branch", c18, Foreign{Branch: []Commit{c18, c19}}, true},
		{"below it", c6, Foreign{Branch: []Commit{c18, c19}, Past: []Commit{c12, c6}}, true},
		{"not shown", c6, Foreign{Branch: []Commit{c18, c19}, Past: []Commit{c12}}, false},
		{"a hole", c6, Foreign{Branch: []Commit{c18, c19}, Past: []Commit{c6}}, false},
		{"another one", stray, Foreign{Branch: []Commit{c18, c19}, Past: []Commit{c12, c6}}, false},
		{"above it", at(24, c18.ID), Foreign{Branch: []Commit{c18, c19}, Past: []Commit{c12, c6}}, false},
	} {
		if got := (Checkpoint{c.point.Height, c.point.ID}).below(c.e); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
