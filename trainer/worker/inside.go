package worker

import (
	"context"
	"fmt"
	"io"
)

// host runs the child in this process. It is reached as a process is, but for the pipes: so a simulation in virtual time
// sees it wait, for requests and for the end of a step. Killing it takes until the step that runs is done, since
// goroutines cannot be ended from outside; a panic in it ends the whole process.
func (p *Process) host() error {
	ctx, cancel := context.WithCancel(context.Background())
	in, stdin := io.Pipe()
	p.stdin = stdin
	p.end = func() {
		cancel()
		_ = stdin.Close() // never fails
	}
	go func() {
		defer cancel()
		err := Serve(ctx, ServeParams{
			In: in, Out: p.answers(), Engine: *p.p.Inside, Exit: func(int) { cancel() }, Log: p.p.Log,
		})
		_ = in.Close() // ends the reader of stdin, and writes to it; never fails
		p.finish(func() error { return fmt.Errorf("the trainer ended by itself: %w", err) })
	}()
	return nil
}
