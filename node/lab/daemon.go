package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/proto"
)

const (
	poll      = 200 * time.Millisecond // pause between two looks at a daemon
	answer    = 2 * time.Second        // most time for one look
	stopLimit = 6 * time.Second        // most time for a daemon to leave after SIGTERM
)

// daemon is one node of the bench. Its murmur up process may end and begin again.
type daemon struct {
	name string
	dir  home.Dir
	peer proto.PeerID
	page string // address of its page; empty: none

	cmd    *exec.Cmd
	done   chan struct{} // closed when the process is gone
	frozen bool          // whether the process is stopped on purpose
	client *api.Client
	state  api.State // state as last seen
	known  bool      // whether state was seen since the start
	events uint64    // number of the newest event that was read

	// Sums over the node's earlier processes.
	steps, tokens, sent uint64
}

// start runs the daemon; its output goes to a file in its directory.
func (d *daemon) start(exe string, args, env []string) error {
	out, err := os.OpenFile(d.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("starting node %s: %w", d.name, err)
	}
	defer out.Close() // the child has its own descriptor
	cmd := exec.Command(exe, append([]string{"up", "--dir", string(d.dir)}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), env...)
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting node %s: %w", d.name, err)
	}
	d.cmd, d.done, d.known, d.frozen, d.events = cmd, make(chan struct{}), false, false, 0
	d.client = api.NewClient(string(d.dir))
	go func(done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(d.done)
	return nil
}

// log is the file that the daemon's output goes to.
func (d *daemon) log() string { return filepath.Join(string(d.dir), "log.txt") }

// connected is how many peers the daemon is connected to.
func (d *daemon) connected() (n int) {
	for _, p := range d.state.Peers {
		if p.Connected {
			n++
		}
	}
	return n
}

// rounds reads how the rounds above a height went, in the order in which the daemon adopted their commits.
func (d *daemon) rounds(ctx context.Context, since uint64) ([]api.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	os, err := d.client.Rounds(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("asking node %s for its rounds: %w", d.name, err)
	}
	return os, nil
}

// running tells whether the process is there.
func (d *daemon) running() bool {
	if d.cmd == nil {
		return false
	}
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// look reads the daemon's state; a daemon that does not answer keeps its last.
func (d *daemon) look(ctx context.Context) bool {
	if !d.running() || d.frozen {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, answer)
	defer cancel()
	s, err := d.client.State(ctx)
	if err != nil {
		return false
	}
	d.state, d.known = s, true
	return true
}

// kill ends the process at once, as a power cut would.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it fails only if the process is gone
	<-d.done
	d.settle()
}

// stop asks the process to leave, and kills it if it does not.
func (d *daemon) stop() error {
	if !d.running() {
		return nil
	}
	_ = d.cmd.Process.Signal(terminate)
	select {
	case <-d.done:
		d.settle()
		return nil
	case <-time.After(stopLimit):
		d.kill()
		return errors.New("node " + d.name + " did not leave in time and was killed")
	}
}

// settle adds what the ended process did to the place's account.
func (d *daemon) settle() {
	d.steps += d.state.Trainer.Steps
	d.tokens += d.state.Trainer.Tokens
	d.sent += d.state.Traffic.BytesOut
	d.state, d.known = api.State{}, false
	d.client.Close()
}

// did is what all processes in this place have done.
func (d *daemon) did() (steps, tokens, sent uint64) {
	return d.steps + d.state.Trainer.Steps, d.tokens + d.state.Trainer.Tokens, d.sent + d.state.Traffic.BytesOut
}
