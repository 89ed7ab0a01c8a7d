package main

import (
	"context"
	"errors"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/tui"
)

// TopCmd shows the running node in a terminal.
type TopCmd struct{ DirFlag }

// Run draws until the person quits.
func (c *TopCmd) Run(ctx context.Context) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	client := api.NewClient(string(dir))
	defer client.Close()
	if err = tui.Run(ctx, client); errors.Is(err, tui.ErrNoTerminal) {
		return usageError{err}
	}
	return err
}
