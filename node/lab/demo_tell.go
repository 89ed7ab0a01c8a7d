package lab

import (
	"context"
	"fmt"
	"strings"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/proto"
)

// tellRounds prints a line for a round that a node has finished.
func (d *demo) tellRounds() {
	for _, n := range d.nodes {
		o := n.state.Round.Last
		if o.Height < d.shown+d.act {
			continue
		}
		d.shown = o.Height
		line := fmt.Sprintf("round %-3d %5.1f s   loss %.2f   from %-8s summed up by %s", o.Height, o.Seconds, o.Loss, d.names(o.Included), d.name(o.Closer))
		if len(o.Missing) > 0 {
			line += "   without " + d.names(o.Missing)
		}
		d.say("%s", line)
	}
}

// tellEvents prints a node's events that a newcomer should see.
func (d *demo) tellEvents(ctx context.Context, n *daemon) {
	events, err := n.client.Events(ctx, n.events)
	if err != nil {
		return
	}
	for _, e := range events {
		n.events = e.Seq
		if e.Kind == event.Chain || e.Kind == event.Trainer || e.Kind == event.Peer {
			d.say("        · %s: %s", n.name, e.Text)
		}
	}
}

func (d *demo) tellSummary() {
	s := d.sum
	same := "NO: the nodes hold different models"
	if s.HeadsEqual {
		same = fmt.Sprintf("yes, all %d hold state %s", s.Nodes, s.StateRoot.Short())
	}
	d.say("")
	d.say("Same model on every node     %s", same)
	d.say("Rounds                       %d, through %d kill and %d joins, in %.0f s", s.Rounds, s.Kills, s.Joins, s.Seconds)
	if s.Joins < 2 {
		d.say("                             The time was over before all of the story was told: give it more with --for")
	}
	d.say("Held-out loss                %.3f → %.3f nats a letter", s.HeldoutFirst, s.HeldoutLast)
	d.say("Trained on                   %s tokens, %.0f a second, on %s", thousands(int(s.Tokens)), s.TokensPerSec, s.Backend)
	d.say("Sent by a node, a step       %s bytes; all-reduce would send %s: %.0f times as much",
		thousands(int(s.BytesSent)), thousands(int(s.AllReduce)), s.Reduction)
	if d.p.Keep {
		d.say("")
		d.say("The swarm keeps running. Look at it with: murmur status --dir %s", d.nodes[0].dir)
	}
}

func (d *demo) name(p proto.PeerID) string {
	for _, n := range d.nodes {
		if n.peer == p {
			return n.name
		}
	}
	return p.Short()
}

func (d *demo) names(ps []proto.PeerID) string {
	var s []string
	for _, n := range d.nodes {
		for _, p := range ps {
			if p == n.peer {
				s = append(s, n.name)
			}
		}
	}
	return strings.Join(s, " ")
}
