package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/proto"
)

// ViewFlags are common to the commands that show a part of the node's state.
type ViewFlags struct {
	DirFlag
	JSON  bool `help:"Print JSON; with --watch one object a line."`
	Watch bool `help:"Go on printing what is new until interrupted."`
}

// show prints a part of the state, with --watch each time that it is not the same.
func (f ViewFlags) show(ctx context.Context, part func(api.State) tabled, same func(a, b api.State) bool) error {
	return f.ask(func(client *api.Client, _ home.Dir) error {
		if !f.Watch {
			s, err := client.State(ctx)
			if err != nil {
				return err
			}
			return printed(f.JSON, part(s))
		}
		var last *api.State
		return client.Watch(ctx, api.Watcher{State: func(s api.State) error {
			if last != nil && same(*last, s) {
				return nil
			}
			last = &s
			if f.JSON {
				return json.NewEncoder(os.Stdout).Encode(part(s))
			}
			fmt.Println(time.Now().Format(time.TimeOnly))
			return part(s).Table(os.Stdout)
		}})
	})
}

// PeersCmd lists the other nodes.
type PeersCmd struct{ ViewFlags }

// Run asks the daemon.
func (c *PeersCmd) Run(ctx context.Context) error {
	return c.show(ctx, func(s api.State) tabled { return peers{s.Peers} }, func(a, b api.State) bool {
		return slices.EqualFunc(a.Peers, b.Peers, sameButTime)
	})
}

// sameButTime compares what a reader would call news.
func sameButTime(a, b api.Peer) bool {
	a.RTTMillis, a.WriteMillis, a.Rate, a.Seen = b.RTTMillis, b.WriteMillis, b.Rate, b.Seen
	return a == b
}

type peers struct {
	Peers []api.Peer `json:"peers"`
}

// Table has a line for each peer.
func (p peers) Table(out io.Writer) error {
	if len(p.Peers) == 0 {
		_, err := fmt.Fprintln(out, "no peer is known yet")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PEER\tSTATE\tROUND\tTOKENS/S\tPATH\tROUND TRIP\tVERSION\tWHY")
	for _, p := range p.Peers {
		state := p.State
		if !p.Connected {
			state = "not connected"
		}
		why := p.Why
		if why == p.State { // it says no more
			why = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%s\t%.0f ms\t%s\t%s\n", p.ID.Short(), state, p.Height+1, p.Rate, p.Path, p.RTTMillis, strings.TrimPrefix(p.Agent, "murmur/"), why)
	}
	return w.Flush()
}

// RoundsCmd lists how rounds went.
type RoundsCmd struct {
	ViewFlags
	Since uint64 `help:"Only rounds above this one." placeholder:"ROUND"`
}

// Run asks the daemon.
func (c *RoundsCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, _ home.Dir) error { return c.list(ctx, client) })
}

func (c *RoundsCmd) list(ctx context.Context, client *api.Client) error {
	if !c.Watch {
		rs, err := client.Rounds(ctx, c.Since)
		if err != nil {
			return err
		}
		return printed(c.JSON, outcomes{rs})
	}
	last := c.Since
	show := func(o api.Outcome) error {
		if o.Height <= last {
			return nil
		}
		last = o.Height
		if c.JSON {
			return json.NewEncoder(os.Stdout).Encode(o)
		}
		return roundLine(os.Stdout, o)
	}
	return client.Watch(ctx, api.Watcher{Round: show, Begin: func() error {
		rs, err := client.Rounds(ctx, last)
		return errors.Join(err, each(rs, show))
	}})
}

func each[T any](vs []T, f func(T) error) (err error) {
	for _, v := range vs {
		err = errors.Join(err, f(v))
	}
	return err
}

type outcomes struct {
	Rounds []api.Outcome `json:"rounds"`
}

// Table has a line for each round.
func (o outcomes) Table(out io.Writer) error {
	if len(o.Rounds) == 0 {
		_, err := fmt.Fprintln(out, "no round has ended here since the node started")
		return err
	}
	return each(o.Rounds, func(r api.Outcome) error { return roundLine(out, r) })
}

func roundLine(out io.Writer, o api.Outcome) error {
	line := fmt.Sprintf("round %-6d %6.1f s  loss %.3f  %d in, closed by %s", o.Height, o.Seconds, o.Loss, len(o.Included), o.Closer.Short())
	if len(o.Missing) > 0 {
		line += "; left out: " + shorts(o.Missing)
	}
	_, err := fmt.Fprintln(out, line)
	return err
}

func shorts(ids []proto.PeerID) string {
	var s []string
	for _, id := range ids {
		s = append(s, id.Short())
	}
	return strings.Join(s, ", ")
}

// EventsCmd shows the node's diary.
type EventsCmd struct{ ViewFlags }

// Run asks the daemon.
func (c *EventsCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, _ home.Dir) error { return c.list(ctx, client) })
}

func (c *EventsCmd) list(ctx context.Context, client *api.Client) error {
	if !c.Watch {
		es, err := client.Events(ctx, 0)
		if err != nil {
			return err
		}
		return printed(c.JSON, diary{es})
	}
	last := uint64(0)
	show := func(e event.Event) error {
		if e.Seq <= last {
			return nil
		}
		last = e.Seq
		if c.JSON {
			return json.NewEncoder(os.Stdout).Encode(e)
		}
		return eventLine(os.Stdout, e)
	}
	return client.Watch(ctx, api.Watcher{Event: show, Begin: func() error {
		es, err := client.Events(ctx, last)
		return errors.Join(err, each(es, show))
	}})
}

type diary struct {
	Events []event.Event `json:"events"`
}

// Table has a line for each event.
func (d diary) Table(out io.Writer) error {
	return each(d.Events, func(e event.Event) error { return eventLine(out, e) })
}

func eventLine(out io.Writer, e event.Event) error {
	_, err := fmt.Fprintf(out, "%s  %-7s  %s\n", e.Time.Local().Format(time.DateTime), e.Kind, e.Text)
	return err
}
