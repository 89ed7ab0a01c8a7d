package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/api"
)

// LimitCmd sets what murmur may take of the line.
type LimitCmd struct {
	DirFlag
	Up    *float64 `help:"Mbit/s to peers outside the local network; 0: no limit." placeholder:"MBIT"`
	Down  *float64 `help:"Mbit/s from them; 0: no limit." placeholder:"MBIT"`
	Month *float64 `help:"GB both ways in a calendar month; 0: no limit. Beyond it the node rests." placeholder:"GB"`
}

// Run changes what is given, at once where the node runs, and prints what counts.
func (c *LimitCmd) Run(ctx context.Context) error {
	return withSettings(c.DirFlag, func(client *api.Client, dir node.Dir) error { return c.change(ctx, client, dir) })
}

func (c *LimitCmd) change(ctx context.Context, client *api.Client, dir node.Dir) error {
	l, err := dir.Limits()
	if err != nil && !c.given() {
		return err
	}
	if c.Up != nil {
		l.UpMbit = *c.Up
	}
	if c.Down != nil {
		l.DownMbit = *c.Down
	}
	if c.Month != nil {
		l.MonthGB = *c.Month
	}
	if err := l.Validate(); err != nil {
		return usageError{err}
	}
	if c.given() {
		if err = client.SetLimits(ctx, l); errors.Is(err, api.ErrNoDaemon) {
			err = dir.SetLimits(l)
		}
		if err != nil {
			return err
		}
	}
	fmt.Println(l)
	return nil
}

func (c *LimitCmd) given() bool { return c.Up != nil || c.Down != nil || c.Month != nil }
