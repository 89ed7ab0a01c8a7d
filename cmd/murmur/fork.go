package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
)

// ForkCmd makes a swarm that goes on from a state of another one.
type ForkCmd struct {
	At     *uint64 `help:"The round whose state the new swarm begins with; without it, the rounds that this node holds are listed." placeholder:"HEIGHT"`
	Name   string  `help:"The new swarm's name (default: the old one's, and the round)."`
	Dir    string  `help:"The new swarm's directory (default: one in the user's data directory)." type:"path" placeholder:"NEWDIR"`
	From   string  `help:"The old swarm's directory (default: the only one in the user's data directory)." type:"path" placeholder:"DIR" env:"MURMUR_DIR"`
	Invite *bool   `name:"invite-only" negatable:"" help:"Only who has an invite may join, or whoever has the link (default: as in the old swarm)."`
	Data   string  `type:"existingdir" help:"What murmur data prepare wrote, for shards that this node does not have." placeholder:"DIR"`
	Port   uint16  `help:"The port that the new node will listen on, for the join link." default:"4101" env:"MURMUR_PORT"`
	JSON   bool    `help:"Print one JSON object."`
}

// Run lists the states, or makes the swarm. The old node may run meanwhile.
func (c *ForkCmd) Run(ctx context.Context) error {
	old, err := DirFlag{c.From}.readable()
	if err != nil {
		return err
	}
	if c.At == nil {
		held, err := heldBy(ctx, old)
		if err != nil {
			return err
		}
		return printed(c.JSON, heldStates{held})
	}
	kept, err := keep(ctx, old, c.At)
	if err != nil {
		return err
	}
	f, err := founding.Fork(old, kept, c.Data)
	if err != nil {
		return err
	}
	if c.Name != "" {
		f.Manifest.Name = c.Name
	}
	if c.Invite != nil {
		f.InviteOnly = *c.Invite
	}
	id, err := f.Seal()
	if err != nil {
		return usageError{err}
	}
	dir, err := DirFlag{c.Dir}.forSwarm(id)
	if err != nil {
		return err
	}
	peer, err := f.Found(dir)
	if err != nil {
		return err
	}
	return printed(c.JSON, forked{
		Swarm: id, Name: f.Manifest.Name, Dir: dir, Link: p2p.Link{Swarm: id, Addrs: ownAddrs(c.Port, peer)}.String(),
		Height: kept.Height, Tokens: kept.Tokens, InviteOnly: f.InviteOnly, Old: old,
	})
}

// heldBy lists what a node can go back to, by its daemon if one runs.
func heldBy(ctx context.Context, dir home.Dir) ([]api.Held, error) {
	client := api.NewClient(string(dir))
	defer client.Close()
	held, err := client.States(ctx)
	if errors.Is(err, api.ErrNoDaemon) {
		return states.HeldIn(dir)
	}
	return held, err
}

// heldStates are what a swarm can be forked from.
type heldStates struct {
	States []api.Held `json:"states"`
}

func (h heldStates) Table(out io.Writer) error {
	if len(h.States) == 0 {
		fmt.Fprintln(out, "This node holds no state yet; it is still starting.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROUND\tTOKENS\tKEPT AS\tSINCE")
	for _, s := range h.States {
		at := "–"
		if !s.At.IsZero() {
			at = s.At.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\n", s.Height, s.Tokens, s.Kind, at)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "Make a new swarm from one with: murmur fork --at ROUND")
	return err
}

// forked says what was made.
type forked struct {
	Swarm      proto.ID `json:"swarm"`
	Name       string   `json:"name"`
	Dir        home.Dir `json:"dir"`
	Link       string   `json:"link"`
	Height     uint64   `json:"height"`
	Tokens     uint64   `json:"tokens"`
	InviteOnly bool     `json:"invite_only"`
	Old        home.Dir `json:"old_dir"`
}

func (f forked) Table(out io.Writer) error {
	fmt.Fprintf(out, "swarm  %s\n", f.Swarm)
	fmt.Fprintf(out, "name   %s\n", f.Name)
	fmt.Fprintf(out, "dir    %s\n", f.Dir)
	fmt.Fprintf(out, "link   %s\n\n", f.Link)
	fmt.Fprintf(out, "It goes on from round %d, after %d tokens.\n", f.Height, f.Tokens)
	fmt.Fprintf(out, "Stop the old node with:    murmur finish --dir %s\n", f.Old)
	fmt.Fprintf(out, "Start the new one with:    murmur up --dir %s\n", f.Dir)
	others := "On another machine:        murmur join 'LINK', then murmur up\n"
	if f.InviteOnly {
		others = fmt.Sprintf("Invite others with:        murmur invite --dir %s\n", f.Dir)
	}
	_, err := fmt.Fprint(out, others)
	return err
}
