package node

import (
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/policy"
)

// ChangeSettings changes what a person wants, at once and across restarts.
func (n *Node) ChangeSettings(change func(*policy.Settings)) error {
	n.wishes.Lock()
	defer n.wishes.Unlock()
	s := n.status.Snapshot().Settings
	change(&s)
	if err := s.Validate(); err != nil {
		return err
	}
	n.status.Kept(home.SettingsFile, n.p.Dir.SetSettings(s))
	n.status.Set(s)
	n.diary.Add(event.Node, 0, "settings changed: "+n.status.Decide().Why)
	return nil
}
