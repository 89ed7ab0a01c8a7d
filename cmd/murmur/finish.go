package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/murmurnet/murmur/node/api"
)

// FinishCmd ends the running node after its round.
type FinishCmd struct{ DirFlag }

// Run asks the node to finish and waits until it has, telling what it says.
func (c *FinishCmd) Run(ctx context.Context) error {
	dir, err := c.readable()
	if err != nil {
		return err
	}
	client := api.NewClient(string(dir))
	defer client.Close()
	if err := client.Finish(ctx); err != nil {
		return err
	}
	const between = 100 * time.Millisecond
	var told uint64
	for {
		events, err := client.Events(ctx, told)
		switch {
		case errors.Is(err, api.ErrNoDaemon):
			fmt.Println("the node has left")
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		for _, e := range events {
			if told > 0 || e.Seq == events[len(events)-1].Seq { // what was before is old news
				fmt.Fprintln(os.Stderr, e.Text)
			}
			told = e.Seq
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(between):
		}
	}
}
