package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/writer"
)

// GenerateCmd lets a model continue a text: that of the running node, or one that lies on the disk.
type GenerateCmd struct {
	ModelFlags
	Prompt      string   `arg:"" help:"The text to continue."`
	Tokens      int      `help:"How many tokens to write, at most." default:"200"`
	Temperature float64  `help:"0 always takes the likeliest token." default:"0.8"`
	TopK        int      `help:"Draw from the likeliest tokens only; 0: from all." default:"40"`
	TopP        float64  `help:"Draw from the fewest likeliest tokens that have this probability together; 0: from all." default:"0"`
	Seed        uint64   `help:"The same seed draws the same text." default:"1"`
	Stop        []string `help:"End before this text; may be given several times." sep:"none" placeholder:"TEXT"`
}

// Run prints the prompt and what the model adds, as it comes.
func (c *GenerateCmd) Run(ctx context.Context) error {
	r := writer.Request{
		Prompt: c.Prompt, N: c.Tokens, Stop: c.Stop,
		Sampling: eval.Sampling{Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, Seed: c.Seed},
	}
	if err := r.Validate(); err != nil {
		return usageError{err}
	}
	if c.Model == "" && c.Height == nil && c.Backend == "" {
		if err := c.live(ctx); !errors.Is(err, api.ErrNoDaemon) {
			return err
		}
	}
	m, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	fmt.Print(c.Prompt)
	defer fmt.Println()
	return m.Write(ctx, r, func(piece string) bool { fmt.Print(piece); return true })
}

// live asks the running node.
func (c *GenerateCmd) live(ctx context.Context) error {
	dir, err := c.readable()
	if err != nil {
		return err
	}
	client := api.NewClient(string(dir))
	defer client.Close()
	if _, err := client.State(ctx); err != nil {
		return err
	}
	fmt.Print(c.Prompt)
	defer fmt.Println()
	return client.Generate(ctx, api.Generate{
		Prompt: c.Prompt, Tokens: c.Tokens, Temperature: c.Temperature, TopK: c.TopK, TopP: c.TopP, Seed: c.Seed, Stop: c.Stop,
	}, func(text string) { fmt.Print(text) })
}
