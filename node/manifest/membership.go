package manifest

import (
	"crypto/ed25519"
	"fmt"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

const (
	maxKeys    = 16
	maxMembers = 1024
)

// Open tells whether whoever has the link may take part.
func (m Membership) Open() bool { return len(m.Keys) == 0 && len(m.Members) == 0 }

// Public are the community's keys.
func (m Membership) Public() (keys []ed25519.PublicKey) {
	for _, p := range m.Keys {
		if k, err := p.Key(); err == nil { // Validate has looked
			keys = append(keys, k)
		}
	}
	return keys
}

func (m Membership) validate() error {
	if len(m.Keys) > maxKeys || len(m.Members) > maxMembers {
		return fmt.Errorf("membership: %d keys and %d members, at most %d and %d are allowed", len(m.Keys), len(m.Members), maxKeys, maxMembers)
	}
	for _, p := range append(m.Keys[:len(m.Keys):len(m.Keys)], m.Members...) {
		if _, err := p.Key(); err != nil {
			return fmt.Errorf("membership: %q is not a peer id such as 12D3Koo…: %w", p.String(), err)
		}
	}
	return nil
}

func (m Membership) encode() *murmurv1.Membership {
	if m.Open() {
		return nil
	}
	w := &murmurv1.Membership{}
	for _, k := range m.Public() {
		w.Keys = append(w.Keys, k)
	}
	for _, p := range m.Members {
		w.Members = append(w.Members, []byte(p))
	}
	return w
}

func (m *Membership) decode(w *murmurv1.Membership) {
	for _, k := range w.GetKeys() {
		m.Keys = append(m.Keys, proto.PeerOf(k))
	}
	for _, p := range w.GetMembers() {
		m.Members = append(m.Members, proto.PeerID(p))
	}
}
