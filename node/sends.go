package node

import (
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/manifest"
)

// sends says what leaves this machine, as docs/privacy.md does for all nodes: a sentence for each kind of thing.
func (n *Node) sends() []string {
	who := "everybody who has the link"
	if b := n.members.Load(); b != nil && !b.Open() {
		who = "the swarm's members"
	}
	out := []string{
		"to " + who + ": this node's id and addresses, murmur's version, every few seconds what the node does, how fast and on which backend",
	}
	switch {
	case n.p.Seed:
		out = append(out, "to the same: others' updates, models and token shards, which it passes on")
	case n.book.Load() != nil && n.manifest.Data.Name == manifest.Private:
		out = append(out, "to the same: what the model learned in each round, from which parts of your texts can be inferred; the texts themselves stay here")
	default:
		out = append(out, "to the same: what the model learned in each round, and others' updates, models and token shards, which it passes on")
	}
	if n.p.MDNS {
		out = append(out, "to the local network: that a node of this swarm is here (mDNS; --no-mdns turns it off)")
	}
	if n.p.Routers {
		out = append(out, "to the router: the wish to have a port opened (UPnP, NAT-PMP; --no-routers turns it off)")
	}
	if slices.ContainsFunc(n.p.Bootstrap, func(a string) bool { return strings.HasPrefix(a, "/dns") }) {
		out = append(out, "to this machine's name server: the names of peers that were given by name")
	}
	if n.p.Metrics != "" {
		out = append(out, "to whoever reaches "+n.p.Metrics+": metrics")
	}
	if u := n.view.get().settings.Energy.URL; u != "" {
		out = append(out, "to "+u+": the question for the energy's signal, twice a minute")
	}
	return append(out, "nothing else, and nothing to murmur's makers; docs/privacy.md says it at length")
}
