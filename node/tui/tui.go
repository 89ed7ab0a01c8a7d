// Package tui shows a node's state in a terminal: murmur top.
//
// It draws what the node says when the node says it, and nothing in between. What it draws is a
// pure function of that, the keys that were pressed and the size of the terminal. It computes
// nothing about the node, so that it agrees with every other view, and trusts no text: names,
// reasons and versions come from peers.
package tui

import (
	"context"
	"errors"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
)

// ErrNoTerminal says that there is nothing to draw on.
var ErrNoTerminal = errors.New("this is not a terminal to draw on; murmur status --watch writes the same line by line")

// Node is the daemon that is watched and steered.
type Node interface {
	State(ctx context.Context) (api.State, error)
	Watch(ctx context.Context, w api.Watcher) error
	Events(ctx context.Context, since uint64) ([]event.Event, error)
	Rounds(ctx context.Context, since uint64) ([]api.Outcome, error)
	Curve(ctx context.Context, since uint64) ([]api.Heldout, error)
	Pause(ctx context.Context, span string, keep bool) (api.State, error)
	Resume(ctx context.Context) (api.State, error)
}

var _ Node = (*api.Client)(nil)

// framesPerSecond bounds how often keys that are held down redraw the screen.
const framesPerSecond = 20

// Run shows the node until the person quits or ctx ends. A daemon that is not there at first is
// an error; one that goes away later is waited for.
func Run(ctx context.Context, node Node) error {
	if !term.IsTerminal(os.Stdin.Fd()) || !term.IsTerminal(os.Stdout.Fd()) || os.Getenv("TERM") == "dumb" {
		return ErrNoTerminal
	}
	return run(ctx, node, os.Getenv("NO_COLOR") == "")
}

func run(ctx context.Context, node Node, coloured bool, options ...tea.ProgramOption) error {
	if _, err := node.State(ctx); err != nil {
		return err
	}
	feeding, stop := context.WithCancel(ctx)
	p := tea.NewProgram(screen{node: node, ctx: feeding, coloured: coloured},
		append(options, tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond))...)
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		feed(feeding, node, p.Send)
	}()
	_, err := p.Run()
	stop()
	<-fed
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
