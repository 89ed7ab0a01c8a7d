package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/policy"
)

// HoursCmd says when the machine may work.
type HoursCmd struct {
	DirFlag
	Compute *policy.Week `help:"When it may train: always, never, or hours such as \"mon-fri 22:00-07:00, sat-sun 0-24\"." placeholder:"HOURS"`
	Network *policy.Week `help:"When it may use the line to the outside." placeholder:"HOURS"`
	Battery *bool        `help:"Whether it may train on battery." negatable:""`
	Idle    *policy.Span `help:"Train only after nobody has used keyboard and mouse for so long, such as 5m; 0s: always." placeholder:"TIME"`
	Others  *float64     `help:"Give the graphics card back while other programs keep it busier than so many percent; 100: never, 0: the default, 25." placeholder:"PERCENT"`
	JSON    bool         `help:"Print one JSON object."`
}

// Run changes what is given and prints what counts.
func (c *HoursCmd) Run(ctx context.Context) error {
	if c.Others != nil && !(*c.Others >= 0 && *c.Others <= 100) {
		return usageError{fmt.Errorf("--others %g: it is 0 to 100 percent", *c.Others)}
	}
	var change func(*policy.Settings)
	if c.Compute != nil || c.Network != nil || c.Battery != nil || c.Idle != nil || c.Others != nil {
		change = c.change
	}
	s, err := wanted(ctx, c.DirFlag, change)
	if err != nil {
		return err
	}
	return printed(c.JSON, hours{s.Compute, s.Network, s.Battery, s.Idle, s.Share()})
}

// hours is when a machine works.
type hours struct {
	Compute policy.Week `json:"compute"`
	Network policy.Week `json:"network"`
	Battery bool        `json:"battery"`
	Idle    policy.Span `json:"idle"`
	Others  float64     `json:"others"` // other programs' share of the graphics card above which it is theirs; 1: never
}

// Table is a line for each.
func (s hours) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "train\t%s\nnetwork\t%s\n", s.Compute, s.Network)
	fmt.Fprintf(w, "on battery\t%s\n", map[bool]string{true: "yes", false: "no"}[s.Battery])
	idle := "also while somebody is at the machine"
	if s.Idle > 0 {
		idle = fmt.Sprintf("after %v without keyboard and mouse", time.Duration(s.Idle))
	}
	fmt.Fprintf(w, "idle\t%s\n", idle)
	others := fmt.Sprintf("it is theirs above %.0f %%", 100*s.Others)
	if s.Others == 1 {
		others = "it is shared with them"
	}
	fmt.Fprintf(w, "others on the card\t%s\n", others)
	return w.Flush()
}

func (c *HoursCmd) change(s *policy.Settings) {
	give(&s.Compute, c.Compute)
	give(&s.Network, c.Network)
	give(&s.Battery, c.Battery)
	give(&s.Idle, c.Idle)
	if c.Others != nil {
		s.Others = *c.Others / 100
	}
}

// give sets what a flag gives.
func give[T any](to, flag *T) {
	if flag != nil {
		*to = *flag
	}
}
