package proto

import (
	"encoding/hex"
	"fmt"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
	"lukechampine.com/blake3"
)

// ID names bytes by their BLAKE3-256 hash. Its text form is a CID (version 1,
// raw codec), so that other tools of the field can name the same bytes.
type ID [32]byte

// Sum is the ID of a message's bytes.
func Sum(b []byte) ID { return blake3.Sum256(b) }

// String returns the CID.
func (id ID) String() string {
	h, err := mh.Encode(id[:], mh.BLAKE3)
	if err != nil {
		return hex.EncodeToString(id[:])
	}
	return cid.NewCidV1(cid.Raw, h).String()
}

// Short is the end of the CID, enough to tell heads apart on a screen.
func (id ID) Short() string {
	s := id.String()
	return s[len(s)-8:]
}

// IsZero tells whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText makes the ID a CID in JSON and TOML.
func (id ID) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText reads a CID.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	v, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) {
	c, err := cid.Decode(s)
	if err != nil {
		return ID{}, fmt.Errorf("%q is not an id: %w", s, err)
	}
	d, err := mh.Decode(c.Hash())
	if err != nil || d.Code != mh.BLAKE3 || len(d.Digest) != 32 || c.Type() != cid.Raw {
		return ID{}, fmt.Errorf("%q is not a murmur id (a raw CID with a BLAKE3 hash)", s)
	}
	return ID(d.Digest), nil
}

// IDFrom reads an ID's 32 bytes.
func IDFrom(b []byte) (ID, error) {
	if len(b) != 32 {
		return ID{}, fmt.Errorf("an id has 32 bytes, this has %d", len(b))
	}
	return ID(b), nil
}
