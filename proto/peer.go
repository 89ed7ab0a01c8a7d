package proto

import (
	"crypto/ed25519"
	"fmt"

	"github.com/mr-tron/base58"
)

// PeerID names a node by its Ed25519 key, in libp2p's binary form: an identity
// multihash of the marshalled public key.
type PeerID string

// peerPrefix is multihash "identity, 36 bytes", then the protobuf head of an
// Ed25519 public key of 32 bytes.
const peerPrefix = "\x00\x24\x08\x01\x12\x20"

// PeerOf returns the peer that holds a key.
func PeerOf(pub ed25519.PublicKey) PeerID { return PeerID(peerPrefix + string(pub)) }

// Key returns the public key inside the id.
func (p PeerID) Key() (ed25519.PublicKey, error) {
	if len(p) != len(peerPrefix)+ed25519.PublicKeySize || p[:len(peerPrefix)] != peerPrefix {
		return nil, fmt.Errorf("peer id of %d bytes holds no Ed25519 key", len(p))
	}
	return ed25519.PublicKey(p[len(peerPrefix):]), nil
}

// String returns libp2p's base58 text form.
func (p PeerID) String() string { return base58.Encode([]byte(p)) }

// Short is the end of the text form, for screens.
func (p PeerID) Short() string {
	s := p.String()
	if len(s) < 6 {
		return s
	}
	return s[len(s)-6:]
}

// MarshalText makes the id base58 in JSON.
func (p PeerID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the base58 form.
func (p *PeerID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*p = ""
		return nil
	}
	raw, err := base58.Decode(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a peer id: %w", b, err)
	}
	*p = PeerID(raw)
	return nil
}
