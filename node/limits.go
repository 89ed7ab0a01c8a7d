package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

const limitsFile = "limits.json"

// Limits are what a person allows murmur on this machine, across restarts.
func (d Dir) Limits() (l api.Limits, err error) {
	b, err := os.ReadFile(d.path(limitsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	if err == nil {
		err = l.Validate()
	}
	if err != nil {
		return api.Limits{}, fmt.Errorf("%s cannot be used, set the limits again with murmur limit: %w", d.path(limitsFile), err)
	}
	return l, nil
}

// SetLimits keeps them.
func (d Dir) SetLimits(l api.Limits) error {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.path(limitsFile), append(b, '\n'), 0o600)
}

// SetLimits keeps limits and has them count at once.
func (n *Node) SetLimits(l api.Limits) error {
	if err := l.Validate(); err != nil {
		return err
	}
	n.kept(limitsFile, n.p.Dir.SetLimits(l))
	n.apply(l)
	n.diary.Add(event.Node, 0, "limits: "+l.String())
	return nil
}

func (n *Node) apply(l api.Limits) {
	const mbit = 1e6 / 8 // bytes
	n.net.SetCaps(p2p.Caps{Up: mbit * l.UpMbit, Down: mbit * l.DownMbit})
	n.view.set(func(v *viewed) { v.limits = l })
	n.weigh()
}
