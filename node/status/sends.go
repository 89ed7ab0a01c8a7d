package status

import (
	"slices"
	"strings"
)

// Leaves says what of a node's settings decides what leaves this machine.
type Leaves struct {
	Closed    bool // the swarm is for members
	Seed      bool // others' files alone
	Private   bool // the node learns from texts of its own
	MDNS      bool
	Routers   bool
	Bootstrap []string
	Metrics   string // address; empty: none
	EnergyURL string // empty: none
}

// Sends says what leaves this machine, as docs/privacy.md does for all nodes: a sentence for each kind of thing.
func (l Leaves) Sends() []string {
	who := "everybody who has the link"
	if l.Closed {
		who = "the swarm's members"
	}
	out := []string{
		"to " + who + ": this node's id and addresses, murmur's version, every few seconds what the node does, how fast and on which backend",
	}
	switch {
	case l.Seed:
		out = append(out, "to the same: others' updates, models and token shards, which it passes on")
	case l.Private:
		out = append(out, "to the same: what the model learned in each round, from which parts of your texts can be inferred; the texts themselves stay here")
	default:
		out = append(out, "to the same: what the model learned in each round, and others' updates, models and token shards, which it passes on")
	}
	if l.MDNS {
		out = append(out, "to the local network: that a node of this swarm is here (mDNS; --no-mdns turns it off)")
	}
	if l.Routers {
		out = append(out, "to the router: the wish to have a port opened (UPnP, NAT-PMP; --no-routers turns it off)")
	}
	if slices.ContainsFunc(l.Bootstrap, func(a string) bool { return strings.HasPrefix(a, "/dns") }) {
		out = append(out, "to this machine's name server: the names of peers that were given by name")
	}
	if l.Metrics != "" {
		out = append(out, "to whoever reaches "+l.Metrics+": metrics")
	}
	if l.EnergyURL != "" {
		out = append(out, "to "+l.EnergyURL+": the question for the energy's signal, twice a minute")
	}
	return append(out, "nothing else, and nothing to murmur's makers; docs/privacy.md says it at length")
}
