package main

import (
	"context"
	"errors"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/tui"
)

// TopCmd shows the running node in a terminal.
type TopCmd struct{ DirFlag }

// Run draws until the person quits.
func (c *TopCmd) Run(ctx context.Context) error {
	return c.ask(func(client *api.Client, _ home.Dir) error {
		err := tui.Run(ctx, client)
		if errors.Is(err, tui.ErrNoTerminal) {
			return usageError{err}
		}
		return err
	})
}
