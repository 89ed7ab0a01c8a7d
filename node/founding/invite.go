package founding

import (
	"errors"
	"io/fs"
	"time"

	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/p2p/membership"
)

// Invite makes an invite by the community's key.
func Invite(d home.Dir, until time.Time, uses uint32) (i membership.Invite, err error) {
	swarm, err := d.Swarm()
	if err != nil {
		return i, err
	}
	key, err := d.Community()
	if err != nil {
		return i, err
	}
	if key == nil {
		return i, home.ErrNoKey
	}
	return membership.NewInvite(key, swarm, until, uses)
}

// Enter notes the invite that this node comes in by.
func Enter(d home.Dir, i membership.Invite) error {
	swarm, err := d.Swarm()
	if err != nil {
		return err
	}
	self, err := d.Peer()
	if err != nil {
		return err
	}
	saved, err := d.Members()
	if err != nil {
		return err
	}
	list, err := i.Enter(swarm, self, saved)
	if err != nil { // damaged: peers have the notices
		if list, err = i.Enter(swarm, self, nil); err != nil {
			return err
		}
	}
	return d.SetMembers(list)
}

// Membership is the manifest's; nil while that is not here.
func Membership(d home.Dir) (*manifest.Membership, error) {
	b, err := d.Manifest()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, _, err := manifest.Decode(b)
	return &m.Membership, err
}
