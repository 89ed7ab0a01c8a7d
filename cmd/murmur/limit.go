package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/policy"
)

// LimitCmd sets what murmur may take of the line and of the machine.
type LimitCmd struct {
	DirFlag
	Up      *float64 `help:"Mbit/s to peers outside the local network; 0: no limit." placeholder:"MBIT" group:"line"`
	Down    *float64 `help:"Mbit/s from them; 0: no limit." placeholder:"MBIT" group:"line"`
	Month   *float64 `help:"GB both ways in a calendar month; 0: no limit. Beyond it the node rests." placeholder:"GB" group:"line"`
	Celsius *float64 `help:"Temperature at which a device rests until it is ten degrees cooler; 0: no limit." placeholder:"DEGREES" group:"machine"`
	Watts   *float64 `help:"Power that the graphics cards may draw; 0: no limit." placeholder:"WATTS" group:"machine"`
	Memory  *float64 `help:"GB of memory that the trainer may take, or it is ended; 0: no limit." placeholder:"GB" group:"machine"`
	VRAM    *float64 `name:"vram" help:"GB of the graphics cards' memory that it may take; 0: no limit." placeholder:"GB" group:"machine"`
	JSON    bool     `help:"Print one JSON object."`
}

const mostGB = 1 << 20

// Run changes what is given, at once where the node runs, and prints what counts.
func (c *LimitCmd) Run(ctx context.Context) error {
	return withSettings(c.DirFlag, func(client *api.Client, dir home.Dir) error {
		for _, gb := range []*float64{c.Memory, c.VRAM} {
			if gb != nil && !(*gb >= 0 && *gb <= mostGB) {
				return usageError{fmt.Errorf("a limit of %g GB of memory: it must be 0, which is none, or up to %d", *gb, mostGB)}
			}
		}
		kept, err := dir.Settings()
		if err != nil {
			return err
		}
		if c.machine(&kept); kept.Validate() != nil { // before the line is changed
			return usageError{kept.Validate()}
		}
		l, err := c.line(ctx, client, dir)
		if err != nil {
			return err
		}
		var change func(*policy.Settings)
		if c.Celsius != nil || c.Watts != nil || c.Memory != nil || c.VRAM != nil {
			change = c.machine
		}
		s, err := wanted(ctx, c.DirFlag, change)
		if err != nil {
			return err
		}
		return printed(c.JSON, limits{l, s.Celsius, s.Watts, s.Memory, s.VRAM})
	})
}

// limits are what murmur may take; 0 is no limit.
type limits struct {
	api.Limits
	Celsius float64 `json:"celsius"`
	Watts   float64 `json:"watts"`
	Memory  uint64  `json:"memory_bytes"`
	VRAM    uint64  `json:"vram_bytes"`
}

// Table is a line for each.
func (l limits) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "line\t%s\n", l.Limits)
	fmt.Fprintf(w, "temperature\t%s\npower\t%s\n", most("%.0f °C", l.Celsius), most("%.0f W", l.Watts))
	fmt.Fprintf(w, "memory\t%s\ngraphics memory\t%s\n", most("%g GB", float64(l.Memory)/1e9), most("%g GB", float64(l.VRAM)/1e9))
	return w.Flush()
}

func most(format string, v float64) string {
	if v == 0 {
		return "no limit"
	}
	return fmt.Sprintf(format, v)
}

// line changes what murmur may take of the line.
func (c *LimitCmd) line(ctx context.Context, client *api.Client, dir home.Dir) (api.Limits, error) {
	given := c.Up != nil || c.Down != nil || c.Month != nil
	l, err := dir.Limits()
	if err != nil && !given {
		return l, err
	}
	give(&l.UpMbit, c.Up)
	give(&l.DownMbit, c.Down)
	give(&l.MonthGB, c.Month)
	if err := l.Validate(); err != nil {
		return l, usageError{err}
	}
	if !given {
		return l, nil
	}
	if err = client.SetLimits(ctx, l); errors.Is(err, api.ErrNoDaemon) {
		err = dir.SetLimits(l)
	}
	return l, err
}

// machine changes what it may take of the machine.
func (c *LimitCmd) machine(s *policy.Settings) {
	give(&s.Celsius, c.Celsius)
	give(&s.Watts, c.Watts)
	for _, m := range []struct {
		to *uint64
		gb *float64
	}{{&s.Memory, c.Memory}, {&s.VRAM, c.VRAM}} {
		if m.gb != nil {
			*m.to = uint64(*m.gb * 1e9)
		}
	}
}
