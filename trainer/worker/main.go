package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main is what the hidden command "murmur trainer" runs: Serve on stdin and stdout.
//
// It keeps stdout for control lines alone: whatever a library prints there from now on, in Go or in C, goes to stderr.
// Interrupts are ignored: a terminal and a service manager send them to the child as well, while only the daemon knows
// what of the child's state is still to be saved.
func Main(ctx context.Context, e Engine) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	out, err := takeStdout()
	if err != nil {
		return fmt.Errorf("keeping stdout for control lines: %w", err)
	}
	return Serve(ctx, ServeParams{
		In: os.Stdin, Out: out, Engine: e, Exit: os.Exit,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
}
