package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/api"
)

// IdleParams say how a paused node is measured.
type IdleParams struct {
	Exe string
	For time.Duration // time with the page closed, and as long again with the page open
	Out io.Writer     // where the story goes
}

// Validate says what is wrong with p.
func (p IdleParams) Validate() error {
	switch {
	case p.Exe == "" || p.Out == nil:
		return errors.New("an idle bench needs a program and somewhere to tell of it")
	case p.For < 10*time.Second:
		return fmt.Errorf("%v says nothing: it takes 10s at least", p.For)
	case runtime.GOOS != "linux":
		return errors.New("what a process takes can be measured on Linux alone")
	}
	return nil
}

// IdleReport is what a paused node takes of its machine, while the others go on.
type IdleReport struct {
	Seconds  float64 `json:"seconds"` // length of each of the two parts
	Rounds   uint64  `json:"rounds"`  // rounds of the other nodes meanwhile
	Params   int     `json:"params"`
	Memory   uint64  `json:"memory_bytes"` // proportional share (PSS) without mapped states; the four nodes share the program's pages
	Mapped   uint64  `json:"mapped_bytes"` // states that are mapped from disk
	Alone    uint64  `json:"alone_bytes"`  // Memory if no other node shared the program's pages
	CPU      float64 `json:"cpu"`          // share of a core, with the page closed
	PageCPU  float64 `json:"page_cpu"`     // share of a core, with the page open
	Children int     `json:"children"`     // processes that the node has started
}

// What an idle node may take.
const (
	idleNodes   = 4
	idleStep    = 300 * time.Millisecond // length of an inner step; 30 make a round of nine seconds
	idleSettle  = 30 * time.Second       // pause after the trainer has gone, before measuring
	idleMemory  = 60 << 20
	idleCPU     = 0.01
	idlePageCPU = 0.05
)

// Holds tells whether it takes no more than that.
func (r IdleReport) Holds() bool {
	return r.Memory <= idleMemory && r.CPU <= idleCPU && r.PageCPU <= idlePageCPU && r.Children == 0
}

// Idle has three nodes train a model of 0.87 million parameters by the toy learner beside one that
// is paused, and measures that one.
func Idle(ctx context.Context, p IdleParams) (r IdleReport, err error) {
	if err := p.Validate(); err != nil {
		return r, err
	}
	m, err := DemoManifest("bitloco", true, false)
	if err != nil {
		return r, err
	}
	m.Inner.TotalTokens = 1 << 40
	s, err := foundSwarm(p.Exe, "toy:"+idleStep.String(), m, idleNodes)
	if err != nil {
		return r, err
	}
	defer func() { err = s.finish(err) }()
	idle := s.nodes[idleNodes-1]
	idle.page = "127.0.0.1:0"
	if err := s.begin(ctx); err != nil {
		return r, err
	}
	if _, err := idle.client.Pause(ctx, "", false); err != nil {
		return r, err
	}
	if err := s.until(ctx, readyLimit, func() bool { return !idle.state.Trainer.Up }); err != nil {
		return r, fmt.Errorf("the trainer does not go: %w", err)
	}
	r.Params = idle.state.Trainer.Params
	fmt.Fprintf(p.Out, "the node is paused; it is left alone for %v\n", idleSettle)
	if err := rest(ctx, idleSettle); err != nil {
		return r, err
	}
	from := idle.state.Head.Height
	fmt.Fprintf(p.Out, "measuring for %v with the page closed\n", p.For)
	if r.CPU, err = idle.busy(ctx, p.For); err != nil {
		return r, err
	}
	pid := idle.cmd.Process.Pid
	_, memory, err := usage(pid)
	if err != nil {
		return r, err
	}
	if r.Alone, err = resident(pid); err != nil {
		return r, err
	}
	if r.Mapped, err = mapped(pid, string(idle.dir)); err != nil {
		return r, err
	}
	r.Memory, r.Alone = memory-r.Mapped, r.Alone-r.Mapped
	if r.Children, err = children(pid); err != nil {
		return r, err
	}
	fmt.Fprintf(p.Out, "measuring for %v with the page open\n", p.For)
	if r.PageCPU, err = idle.watched(ctx, p.For); err != nil {
		return r, err
	}
	s.look(ctx)
	r.Seconds, r.Rounds = p.For.Seconds(), idle.state.Head.Height-from
	return r, nil
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// busy is the share of a core that a daemon takes while nobody asks it anything.
func (d *daemon) busy(ctx context.Context, span time.Duration) (float64, error) {
	before, _, err := usage(d.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := rest(ctx, span); err != nil {
		return 0, err
	}
	after, _, err := usage(d.cmd.Process.Pid)
	return (after - before) / time.Since(began).Seconds(), err
}

// watched is that share while a page follows the node.
func (d *daemon) watched(ctx context.Context, span time.Duration) (busy float64, err error) {
	token, err := api.PageToken(string(d.dir))
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.state.Page+"v1/stream", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, res.Body) // ends when the body is closed
		read <- n
	}()
	busy, err = d.busy(ctx, span)
	_ = res.Body.Close()
	if n := <-read; err == nil && n < 1000 {
		err = fmt.Errorf("the page was told %d bytes only: %s", n, res.Status)
	}
	return busy, err
}

// Table prints the report for people.
func (r IdleReport) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "paused for 2 × %.0f s beside %d nodes that did %d rounds of %.2fM parameters\n", r.Seconds, idleNodes-1, r.Rounds, float64(r.Params)/1e6)
	fmt.Fprintf(w, "memory\t%.1f MiB, and %.1f MiB of mapped states\t(to reach: %d)\n", float64(r.Memory)/(1<<20), float64(r.Mapped)/(1<<20), idleMemory>>20)
	fmt.Fprintf(w, "if it were alone\t%.1f MiB: it would share the program's pages with nobody\t\n", float64(r.Alone)/(1<<20))
	fmt.Fprintf(w, "processor\t%.2f %% of a core\t(%.0f)\n", 100*r.CPU, 100*idleCPU)
	fmt.Fprintf(w, "with the page open\t%.2f %% of a core\t(%.0f)\n", 100*r.PageCPU, 100*idlePageCPU)
	fmt.Fprintf(w, "processes beside it\t%d\t(0)\n", r.Children)
	return w.Flush()
}
