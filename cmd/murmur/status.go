package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/proto"
)

// StatusCmd shows the running node.
type StatusCmd struct {
	ViewFlags
	Curve bool `help:"Print the held-out losses that the swarm measured, a round a line."`
}

// Run asks the daemon for its state.
func (c *StatusCmd) Run(ctx context.Context) error {
	if c.Curve {
		return c.ask(func(client *api.Client, _ home.Dir) error {
			points, err := client.Curve(ctx, 0)
			if err != nil {
				return err
			}
			return printed(c.JSON, losses{points})
		})
	}
	return c.show(ctx, func(s api.State) tabled { return status{s} }, func(_, _ api.State) bool { return false })
}

// status is the whole state.
type status struct{ api.State }

// losses is the swarm's curve.
type losses struct {
	Points []api.Heldout `json:"points"`
}

// Table has a line for each round that was measured.
func (l losses) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROUND\tHELD-OUT LOSS\tPERPLEXITY\tMEASURED BY")
	for _, p := range l.Points {
		fmt.Fprintf(w, "%d\t%.3f\t%.4g\t%s\n", p.Height, p.Loss, math.Exp(p.Loss), p.By.Short())
	}
	return w.Flush()
}

// printAlone says what was tried to reach others.
func printAlone(w io.Writer, r api.Reach) {
	tried := r.Tried
	if r.Refusal != "" {
		fmt.Fprintf(w, "not let in\t%s\n", r.Refusal)
	}
	if len(tried) == 0 {
		fmt.Fprintf(w, "alone\tno address of a peer is known; give one with murmur up --bootstrap ADDR, or wait for others to join by the link\n")
		return
	}
	fmt.Fprintf(w, "alone\tno peer is reached yet; each is tried again and again\n")
	for _, a := range tried {
		fmt.Fprintf(w, "\t%s: %s, %.0f s ago\n", a.Addr, a.Why, time.Since(a.At).Seconds())
	}
}

// Table has a line for each fact, and one for each peer.
func (s status) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "swarm\t%s  %s\n", s.Name, s.Swarm)
	fmt.Fprintf(w, "node\t%s  murmur %s\n", s.Peer, s.Version)
	fmt.Fprintf(w, "state\t%s\n", reasonOf(s.State))
	fmt.Fprintf(w, "decided\tby %s\n", reasonOf(s.State).by())
	for _, c := range s.Health {
		fmt.Fprintf(w, "%s\t%s, since %s; %s\n", c.Severity, c.Text, c.Since.Local().Format("Mon 15:04"), c.Do)
	}
	if s.Head.StateRoot != (proto.ID{}) { // the node has come so far
		fmt.Fprintf(w, "round\t%d, %.0f s old, nodes that share it: %d\n", s.Head.Height+1, s.Round.Seconds, s.Round.Active)
		fmt.Fprintf(w, "model\tstate %s at round %d\n", s.Head.StateRoot.Short(), s.Head.Height)
		fmt.Fprintf(w, "trained\t%d of %d tokens committed by the swarm\n", s.Head.Tokens, s.Schedule.TotalTokens)
	}
	if h := s.Heldout; h != nil {
		fmt.Fprintf(w, "held out\tloss %.3f at round %d, perplexity %.4g, measured by %s\n", h.Loss, h.Height, math.Exp(h.Loss), h.By.Short())
	}
	if s.Trainer.Up {
		fmt.Fprintf(w, "trainer\t%s, %s: %.0f tokens/s, loss %.3f\n", s.Trainer.Backend, s.Trainer.Device, s.Trainer.TokensPerSec, s.Trainer.Loss)
	}
	fmt.Fprintf(w, "traffic\t%.1f MB sent, %.1f MB received\n", float64(s.Traffic.BytesOut)/1e6, float64(s.Traffic.BytesIn)/1e6)
	if s.Limits != (api.Limits{}) {
		fmt.Fprintf(w, "limits\t%s\n", s.Limits)
	}
	if s.Limits.MonthGB > 0 {
		fmt.Fprintf(w, "this month\t%.2f of %g GB used\n", float64(s.Usage.Bytes)/1e9, s.Limits.MonthGB)
	}
	fmt.Fprintf(w, "reach\t%s\n", s.Reach)
	fmt.Fprintf(w, "link\t%s\n", s.Link)
	if !slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.Connected }) {
		printAlone(w, s.Reach)
	}
	for i, sentence := range s.Sends {
		fmt.Fprintf(w, "%s\t%s\n", map[bool]string{true: "sends"}[i == 0], sentence)
	}
	for i, p := range s.Peers {
		if i == 0 {
			fmt.Fprintf(w, "\npeer\tstate\tround\ttokens/s\tpath\tround trip\t\n")
		}
		state := p.State
		if !p.Connected {
			state = "not connected"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%s\t%.0f ms\t\n", p.ID.Short(), state, p.Height+1, p.Rate, p.Path, p.RTTMillis)
	}
	return w.Flush()
}
