package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// membersTick is the pause between two looks whether the list of members has changed and must be written.
const membersTick = 5 * time.Second

// openMembers makes the list of members from the disk; nil where everybody is a member. A newcomer
// without a manifest does not know who is one, so it gets a list, to show its invite.
func (n *Node) openMembers(m *manifest.Membership) (*membership.List, error) {
	switch {
	case m == nil:
		m = &manifest.Membership{}
	case m.Open():
		return nil, nil
	}
	d := n.p.Dir
	saved, err := d.Members()
	if err != nil {
		return nil, err
	}
	key, err := d.Community()
	if err != nil {
		return nil, err
	}
	p := membership.Params{Swarm: n.swarm, Self: n.self, Keys: m.Public(), Members: m.Members, Key: key, Saved: saved}
	b, err := membership.New(p)
	if err != nil { // an invite gives a new proof, and peers give the notices
		n.log.Warn("The list of members is damaged and begun anew; this node may need a new invite", "error", err)
		p.Saved = nil
		if b, err = membership.New(p); err != nil {
			return nil, err
		}
	}
	b.Issue(time.Now())
	return b, nil
}

// enforce has the network let only members in, once the manifest says who they are.
func (n *Node) enforce(m manifest.Membership) error {
	if m.Open() || n.members.Load() != nil && !n.members.Load().Open() {
		return nil // nothing to enforce, or done since the start
	}
	b, err := n.openMembers(&m)
	if err != nil {
		return err
	}
	n.members.Store(b)
	n.net.SetMembers(b)
	return nil
}

// proof returns this node's proof of membership for its updates; nil in an open swarm.
func (n *Node) proof() *murmurv1.Proof {
	b := n.members.Load()
	if b == nil {
		return nil
	}
	p, _ := b.Proof()
	if p.GetMember() == nil && p.GetInvite() == nil {
		return nil
	}
	return p
}

// admit admits the authors of checked updates by their proofs. Gossip of an author then passes
// here even if this node never met that author.
func (n *Node) admit(us []wire.Update) {
	b := n.members.Load()
	if b == nil {
		return
	}
	now := time.Now()
	for _, u := range us {
		if u.Proof == nil || b.Admitted(u.Author, now) {
			continue
		}
		if err := b.AdmitAuthor(u, now); err != nil {
			n.log.Debug("An update's author is no member", "author", u.Author.Short(), "error", err)
		}
	}
}

// takeNotices keeps the notices that a commit brought, and tells peers of them.
func (n *Node) takeNotices(from, to round.Commit) {
	b := n.members.Load()
	if b == nil || slices.Equal(from.Notices, to.Notices) {
		return
	}
	news, err := b.Hear(slices.Collect(maps.Values(n.book.Load().Notices(to.ID))))
	if err != nil {
		n.log.Warn("Notices of the community cannot be kept", "error", err)
	}
	if news {
		n.net.Greet()
	}
}

// tellNotices has the next commit carry the community's notices, if the list holds more than so
// many.
func (n *Node) tellNotices(ctx context.Context, told int) int {
	all := n.members.Load().Notices()
	if len(all) == told {
		return told
	}
	var ns []round.Notice
	for _, w := range all {
		ns = append(ns, n.book.Load().AddNotice(w))
	}
	n.post(ctx, round.Noticed{Notices: ns})
	return len(all)
}

// keepMembers writes the list, and has the chain carry its notices, until ctx ends.
func (n *Node) keepMembers(ctx context.Context) {
	tick := time.NewTicker(membersTick)
	defer tick.Stop()
	told := 0
	for ctx.Err() == nil {
		told = n.tellNotices(ctx, told)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if err := n.saveMembers(); err != nil {
			n.log.Warn("The list of members is not saved", "error", err)
		}
	}
}

func (n *Node) saveMembers() error {
	if b := n.members.Load().Encode(); b != nil {
		return n.p.Dir.SetMembers(b)
	}
	return nil
}

// Members lists who belongs to the swarm, as far as this node has met them.
func (n *Node) Members() []api.Member {
	out := []api.Member{}
	b := n.members.Load()
	if b == nil {
		return out
	}
	for _, l := range b.Members(time.Now()) {
		out = append(out, api.Member{Peer: l.Peer, How: l.How, Until: l.Until, Invite: l.Invited})
	}
	return out
}

// Revoke throws a peer out, or ends an invite, and tells all.
func (n *Node) Revoke(peer proto.PeerID) error {
	key, err := n.signer()
	if err != nil {
		return err
	}
	if peer == n.self {
		return errors.New("this is the node itself, which cannot throw itself out")
	}
	return n.spread("revoked "+peer.Short(), membership.NewNotice(key, n.swarm, murmurv1.Notice_PEER, []byte(peer)))
}

// Rotate makes a new key for the community, which signs from now on. The old one counts
// until Rotate is called with drop, when all who are online have met the new one.
func (n *Node) Rotate(drop bool) error {
	key, err := n.signer()
	if err != nil {
		return err
	}
	if drop {
		return n.dropKeys(key)
	}
	_, next, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("drawing a key: %w", err)
	}
	notice := membership.NewNotice(key, n.swarm, murmurv1.Notice_NEW_KEY, next.Public().(ed25519.PublicKey))
	if err := n.spread("the community has a new key", notice); err != nil {
		return err
	}
	if err := errors.Join(n.p.Dir.KeepKey(key, home.OldKey), n.p.Dir.KeepKey(next, home.CommunityKey)); err != nil {
		return err
	}
	n.members.Load().Sign(next, time.Now())
	n.net.Greet()
	return nil
}

// dropKeys ends all keys of the community but the newest.
func (n *Node) dropKeys(key ed25519.PrivateKey) error {
	var notices []*murmurv1.Envelope
	for _, old := range n.members.Load().Keys() {
		if !old.Equal(key.Public()) {
			notices = append(notices, membership.NewNotice(key, n.swarm, murmurv1.Notice_DROP_KEY, old))
		}
	}
	if len(notices) == 0 {
		return errors.New("there is no older key; make a new one first with murmur rotate")
	}
	return n.spread("older keys of the community count no more", notices...)
}

func (n *Node) signer() (ed25519.PrivateKey, error) {
	if n.members.Load() == nil || n.members.Load().Open() {
		return nil, errors.New("whoever has the link is a member of this swarm; only murmur init --invite-only makes one with members")
	}
	key, err := n.p.Dir.Community()
	if err == nil && key == nil {
		err = home.ErrNoKey
	}
	return key, err
}

// spread makes notices durable, then tells all.
func (n *Node) spread(what string, notices ...*murmurv1.Envelope) error {
	if _, err := n.members.Load().Hear(notices); err != nil {
		return err
	}
	if err := n.saveMembers(); err != nil {
		return err
	}
	n.diary.Add(event.Node, 0, what)
	n.net.Greet()
	return nil
}
