package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/policy"
)

const settingsFile = "policy.json"

// Settings are what a person wants of this machine, across restarts.
func (d Dir) Settings() (s policy.Settings, err error) {
	b, err := os.ReadFile(d.path(settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		s, err = policy.DecodeSettings(b)
	}
	if err != nil {
		return s, fmt.Errorf("%s cannot be used; remove it, and set pauses and hours again: %w", d.path(settingsFile), err)
	}
	return s, nil
}

// SetSettings keeps them.
func (d Dir) SetSettings(s policy.Settings) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeOnce(d.path(settingsFile), append(b, '\n'))
}

// ChangeSettings changes what a person wants, at once and across restarts.
func (n *Node) ChangeSettings(change func(*policy.Settings)) error {
	n.wishes.Lock()
	defer n.wishes.Unlock()
	s := n.view.get().settings
	change(&s)
	if err := s.Validate(); err != nil {
		return err
	}
	if err := n.p.Dir.SetSettings(s); err != nil {
		return err
	}
	n.view.set(func(v *viewed) {
		v.settings = s
		v.machine.Again(s)
	})
	n.diary.Add(event.Node, 0, "settings changed: "+n.view.decide().Why)
	return nil
}
