package membership

import (
	"crypto/ed25519"
	"errors"
	"slices"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// NewNotice signs a notice.
func NewNotice(community ed25519.PrivateKey, swarm proto.ID, kind murmurv1.Notice_Kind, subject []byte) *murmurv1.Envelope {
	return proto.Seal(community, proto.DomainNotice, proto.Encode(&murmurv1.Notice{Swarm: swarm[:], Kind: kind, Subject: subject}))
}

// Notices lists all notices that this node heard.
func (b *List) Notices() []wire.Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notices)
}

// Hear takes in notices; news says whether one was new.
func (b *List) Hear(notices []*murmurv1.Envelope) (news bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.notices)
	err = b.hear(notices)
	return len(b.notices) > before, err
}

// hear takes in notices of new keys first, because another notice may be signed by a new key. It drops keys
// last, because notices that a dropped key signed before still count.
func (b *List) hear(notices []*murmurv1.Envelope) error {
	fresh := b.open(notices)
	for range fresh[murmurv1.Notice_NEW_KEY] { // each may wait for another
		if err := b.take(fresh[murmurv1.Notice_NEW_KEY]); err != nil {
			return err
		}
	}
	for _, kind := range []murmurv1.Notice_Kind{murmurv1.Notice_PEER, murmurv1.Notice_INVITE, murmurv1.Notice_DROP_KEY} {
		if err := b.take(fresh[kind]); err != nil {
			return err
		}
	}
	return nil
}

// open checks notices that are new and of keys of the community's, or of such as these name, by their kinds. It ends at one whose signature is wrong:
// nobody passes that on who checks what it passes on.
func (b *List) open(notices []*murmurv1.Envelope) map[murmurv1.Notice_Kind][]wire.Notice {
	fresh, named := map[murmurv1.Notice_Kind][]wire.Notice{}, map[string]bool{}
	rest := slices.DeleteFunc(slices.Clone(notices[:min(len(notices), proto.MaxNotices)]), b.holds)
	for before := 0; before != len(rest); {
		before = len(rest)
		var later []*murmurv1.Envelope
		for _, e := range rest {
			if key := string(e.GetKey()); !b.signs(key) && !named[key] {
				later = append(later, e)
				continue
			}
			n, err := wire.OpenNotice(b.p.Swarm, e)
			if errors.Is(err, proto.ErrSignature) {
				return fresh
			}
			if err == nil {
				fresh[n.Kind] = append(fresh[n.Kind], n)
				named[n.Subject] = named[n.Subject] || n.Kind == murmurv1.Notice_NEW_KEY
			}
		}
		rest = later
	}
	return fresh
}

func (b *List) holds(e *murmurv1.Envelope) bool {
	return slices.ContainsFunc(b.notices, func(o wire.Notice) bool { return string(o.Signed.Payload) == string(e.GetPayload()) })
}

// signed lists the notices in their envelopes.
func (b *List) signed() (es []*murmurv1.Envelope) {
	for _, n := range b.notices {
		es = append(es, n.Signed)
	}
	return es
}

// take keeps notices that keys of the community's signed.
func (b *List) take(notices []wire.Notice) error {
	for _, n := range notices {
		if !b.signs(string(n.Signer)) || b.holds(n.Signed) {
			continue
		}
		if len(b.notices) >= proto.MaxNotices {
			return errNotices
		}
		b.notices, b.changed = append(b.notices, n), true
		switch n.Kind {
		case murmurv1.Notice_PEER:
			b.peers[proto.PeerID(n.Subject)] = true
			delete(b.shown, proto.PeerID(n.Subject))
		case murmurv1.Notice_INVITE:
			b.invites[n.Subject] = true
		case murmurv1.Notice_NEW_KEY:
			b.keys[n.Subject] = true
		case murmurv1.Notice_DROP_KEY:
			b.dropped[n.Subject] = true
		}
	}
	return nil
}
