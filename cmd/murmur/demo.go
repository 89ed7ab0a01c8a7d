package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/lab"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/xla"
)

// DemoCmd runs a whole swarm on this machine.
type DemoCmd struct {
	JSON    bool          `help:"Print the summary as one JSON object; the story goes to stderr."`
	Keep    bool          `help:"Leave the swarm running."`
	Backend string        `help:"Train on this backend (default: the best there is)." placeholder:"NAME" env:"MURMUR_BACKEND"`
	Method  string        `help:"How nodes learn together: bitloco, sparseloco, distro, diloco, streaming, fedavg or allreduce." default:"bitloco" placeholder:"NAME"`
	For     time.Duration `help:"Train at most so long." placeholder:"TIME"`
	Yes     bool          `help:"Install the XLA plugin without asking." env:"MURMUR_YES"`
}

// Run plays the demo.
func (c *DemoCmd) Run(ctx context.Context) error {
	if !slices.Contains(outer.Names(), c.Method) {
		return usageError{fmt.Errorf("method %q is not one of: %s", c.Method, strings.Join(outer.Names(), ", "))}
	}
	story := os.Stdout
	if c.JSON {
		story = os.Stderr
	}
	if err := offer(ctx, c.Backend, c.Yes, story); err != nil {
		return err
	}
	choice, err := xla.Choose(ctx, xla.Params{Want: c.Backend, Probe: xla.SelfProbe()})
	if err != nil {
		return err
	}
	exe, err := program()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "murmur-demo-")
	if err != nil {
		return fmt.Errorf("making a place for the demo: %w", err)
	}
	sum, err := lab.Demo(ctx, lab.DemoParams{
		Exe: exe, Dir: dir, Backend: choice.Config, XLA: choice.XLA(), Method: c.Method, For: c.For, Keep: c.Keep, Out: story,
	})
	if err == nil && !sum.HeadsEqual {
		err = errors.New("the nodes do not hold the same model")
	}
	if err != nil && sum.Seconds == 0 {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		err = errors.Join(err, out.Encode(sum))
	}
	return err
}
