package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/policy"
)

// kept notes whether the disk took a file of what a person wants. That counts at once all the
// same: a machine that is to stop must not go on because its disk is full.
func (n *Node) kept(file string, err error) {
	n.view.set(func(v *viewed) {
		unkept := maps.Clone(v.unkept)
		if delete(unkept, file); err != nil {
			if unkept == nil {
				unkept = map[string]string{}
			}
			unkept[file] = err.Error()
		}
		v.unkept = unkept
	})
}

// notKept tells what the disk did not take, empty if it has all.
func (v viewed) notKept() string {
	var all []string
	for _, file := range slices.Sorted(maps.Keys(v.unkept)) {
		all = append(all, fmt.Sprintf("%s could not be written, so it counts until the next start alone: %s", file, v.unkept[file]))
	}
	return strings.Join(all, "; ")
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
	n.kept(home.SettingsFile, n.p.Dir.SetSettings(s))
	n.view.set(func(v *viewed) {
		v.settings = s
		v.machine.Again(s)
	})
	n.diary.Add(event.Node, 0, "settings changed: "+n.view.decide().Why)
	return nil
}
