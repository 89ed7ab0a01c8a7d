package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/mdp/qrterminal/v3"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
)

// InviteCmd prints a link to give away.
type InviteCmd struct {
	DirFlag
	Days uint32 `help:"Days for which others can come in by it." default:"7" placeholder:"N"`
	Uses uint32 `help:"How many machines can come in by it; 0: any number. Each member counts those that it meets." default:"1" placeholder:"N"`
	QR   bool   `name:"qr" help:"Print the link as a picture, too, for a phone's camera." xor:"form"`
	JSON bool   `help:"Print one JSON object." xor:"form"`
}

// Run signs an invite where the swarm is for members.
func (c *InviteCmd) Run(ctx context.Context) error {
	dir, err := c.readable()
	if err != nil {
		return err
	}
	m, err := founding.Membership(dir)
	if err != nil {
		return err
	}
	client := api.NewClient(string(dir))
	defer client.Close()
	s, err := client.State(ctx)
	if err != nil {
		return fmt.Errorf("%w, so that the link has its addresses", err)
	}
	link, err := p2p.ParseLink(s.Link)
	if err != nil {
		return err
	}
	if at := s.Head.Checkpoint; at != nil {
		link.Checkpoint, link.CheckpointHeight = at.Commit, at.Height
	}
	shown := invited{}
	if m != nil && !m.Open() {
		until := time.Now().AddDate(0, 0, int(c.Days))
		invite, err := founding.Invite(dir, until, c.Uses)
		if err != nil {
			return err
		}
		link.Invite, shown.Until, shown.Uses = invite.String(), until, c.Uses
		uses := "one machine"
		if c.Uses != 1 {
			uses = fmt.Sprintf("%d machines", c.Uses)
		}
		if c.Uses == 0 {
			uses = "any number of machines"
		}
		fmt.Fprintf(os.Stderr, "For %s, until %s. Whoever has this link can join: send it to nobody else.\n", uses, until.Format(time.DateOnly))
	}
	shown.Link = link.String()
	if err := printed(c.JSON, line{shown.Link, shown}); err != nil {
		return err
	}
	if c.QR {
		qrterminal.GenerateHalfBlock(link.String(), qrterminal.L, os.Stdout)
	}
	return nil
}

// invited is a link to give away.
type invited struct {
	Link  string    `json:"link"`
	Until time.Time `json:"until,omitzero"` // both zero where everybody may join
	Uses  uint32    `json:"uses,omitempty"` // 0: any number of machines
}

// MembersCmd lists members.
type MembersCmd struct {
	DirFlag
	JSON bool `help:"Print one JSON object."`
}

// Run asks the node.
func (c *MembersCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, dir home.Dir) error {
		ms, err := client.Members(ctx)
		if err != nil {
			return err
		}
		m, err := founding.Membership(dir)
		if err != nil {
			return err
		}
		return printed(c.JSON, members{ms, m != nil && m.Open()})
	})
}

// members are those that this node has met.
type members struct {
	Members []api.Member `json:"members"`
	Open    bool         `json:"open"` // whoever has the link is one
}

// Table has a line for each.
func (m members) Table(out io.Writer) error {
	if m.Open {
		_, err := fmt.Fprintln(out, "whoever has the link is a member of this swarm; murmur crawl lists who is there")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PEER\tBY\tUNTIL")
	for _, p := range m.Members {
		until := "–"
		if !p.Until.IsZero() {
			until = p.Until.Local().Format(time.DateOnly)
		}
		how := p.How
		if p.Invite != "" {
			how += " (" + p.Invite + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Peer, how, until)
	}
	return w.Flush()
}

// RevokeCmd throws a member out.
type RevokeCmd struct {
	DirFlag
	Peer proto.PeerID `arg:"" help:"The peer, as murmur members shows it."`
}

// Run has the node sign it and tell the others.
func (c *RevokeCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, _ home.Dir) error {
		if err := client.Revoke(ctx, c.Peer); err != nil {
			return err
		}
		fmt.Printf("%s is a member no more; those who are online know it now, others when they meet one of them\n", c.Peer.Short())
		return nil
	})
}

// RotateCmd changes the community's key.
type RotateCmd struct {
	DirFlag
	Drop bool `help:"End all older keys, once members have met this node since the new one: what they signed counts no more."`
}

// Run has the node do it.
func (c *RotateCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, _ home.Dir) error {
		if err := client.Rotate(ctx, c.Drop); err != nil {
			return err
		}
		if c.Drop {
			fmt.Println("older keys count no more")
			return nil
		}
		fmt.Println("The community has a new key; the old one still counts and lies beside it as community.key.old.\nWhen members have been online with this node, end it with: murmur rotate --drop")
		return nil
	})
}

// LeaveCmd ends this machine's part in a swarm.
type LeaveCmd struct {
	DirFlag
	Delete bool `help:"Delete the swarm's directory with this node's identity, the model and all that was learned here."`
}

// Run lets the node finish, where it runs.
func (c *LeaveCmd) Run(ctx context.Context) error {
	dir, err := c.readable()
	if err != nil {
		return err
	}
	if _, err := dir.Swarm(); err != nil {
		return err
	}
	if err := (&FinishCmd{DirFlag{Dir: string(dir)}}).Run(ctx); err != nil && !errors.Is(err, api.ErrNoDaemon) {
		return err
	}
	if !c.Delete {
		fmt.Printf("This machine's part is delivered. What it has lies in %s; murmur leave --delete removes it.\n", dir)
		return nil
	}
	if err := os.RemoveAll(string(dir)); err != nil {
		return fmt.Errorf("removing the swarm's directory: %w", err)
	}
	fmt.Printf("%s is removed.\n", dir)
	return nil
}
