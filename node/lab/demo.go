package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/proto"
)

// DemoParams say how the demo runs.
type DemoParams struct {
	Exe     string        // the murmur program
	Dir     string        // where the nodes' directories go; made, and removed at the end unless Keep
	Backend string        // the backend that the nodes will use, for the choice of model and for the summary
	XLA     bool          // it is an XLA backend
	Method  string        // one of outer.Names
	For     time.Duration // train at most so long; 0: as long as suits the backend
	Keep    bool          // leave the swarm running
	Out     io.Writer     // the story
}

// Summary is what came of the demo.
type Summary struct {
	Backend      string   `json:"backend"`
	Method       string   `json:"method"`
	Nodes        int      `json:"nodes"`
	Params       int      `json:"params"`
	Rounds       uint64   `json:"rounds"`
	Tokens       uint64   `json:"tokens"`
	TokensPerSec float64  `json:"tokens_per_s"`
	HeldoutFirst float64  `json:"heldout_loss_first"`
	HeldoutLast  float64  `json:"heldout_loss_last"`
	HeadsEqual   bool     `json:"heads_equal"`
	StateRoot    proto.ID `json:"state_root"`
	Kills        int      `json:"kills"`
	Joins        int      `json:"joins"`
	BytesSent    float64  `json:"bytes_sent_per_node_per_step"`
	AllReduce    float64  `json:"allreduce_bytes_per_node_per_step"`
	Reduction    float64  `json:"reduction"`
	Seconds      float64  `json:"seconds"`
	Text         string   `json:"text"`
}

// The demo's script, by heights: C is killed in the middle of the round on
// killAt, D joins when joinAt is reached, C comes back at returnAt; where a round is
// a single step, at stepsAct times those, and of so many rounds one is told.
const (
	stepsAct = 4

	killAt   = 3
	joinAt   = 4
	returnAt = 6

	readyLimit = 60 * time.Second // for a daemon to answer
	equalLimit = 20 * time.Second // for all heads to be one at the end
	demoNodes  = 3                // from the start; a fourth joins
)

// demo is one run.
type demo struct {
	p       DemoParams
	swarm   proto.ID
	nodes   []*daemon
	started time.Time
	act     uint64 // rounds that make one of the script's
	shown   uint64 // the newest round that was told
	sum     Summary
	killed  time.Time
}

// Demo runs a whole swarm on this machine: three nodes train, one is killed, a
// fourth joins, the killed one comes back, and all end with the same model.
func Demo(ctx context.Context, p DemoParams) (Summary, error) {
	d := &demo{p: p, started: time.Now(), act: 1, sum: Summary{Backend: p.Backend, Method: p.Method}}
	err := d.run(ctx)
	if !p.Keep || err != nil {
		for _, n := range d.nodes {
			err = errors.Join(err, n.stop())
		}
		if err == nil {
			err = os.RemoveAll(p.Dir)
		} else {
			d.say("The nodes' logs are in %s", p.Dir)
		}
	}
	return d.sum, err
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.p.Out, format+"\n", args...) }

func (d *demo) run(ctx context.Context) error {
	if err := d.prepare(); err != nil {
		return err
	}
	d.say("Starting three nodes on this machine. Each trains its own copy of the model on %s and they", d.p.Backend)
	d.say("exchange updates by %s over libp2p. There is no server: every round another node sums up.", d.p.Method)
	// They wait for each other, so that the untrained model can be measured and
	// the first round has all three.
	for _, n := range d.nodes[:demoNodes] {
		if err := d.up(ctx, n); err != nil {
			return err
		}
		if _, err := n.client.Pause(ctx, "", true); err != nil {
			return fmt.Errorf("holding node %s: %w", n.name, err)
		}
	}
	token, err := api.PageToken(string(d.nodes[0].dir))
	if err != nil {
		return err
	}
	d.say("Watch node A in a browser of this machine: %s#%s", d.nodes[0].state.Page, token)
	if err := d.until(ctx, readyLimit, d.ready); err != nil {
		return fmt.Errorf("the nodes are not ready to train: %w; see %s", err, d.p.Dir)
	}
	first, err := d.nodes[0].client.Heldout(ctx)
	if err != nil {
		return fmt.Errorf("measuring the untrained model: %w", err)
	}
	for _, n := range d.nodes[:demoNodes] {
		if _, err := n.client.Resume(ctx); err != nil {
			return fmt.Errorf("releasing node %s: %w", n.name, err)
		}
	}
	d.sum.HeldoutFirst, d.sum.Params = first.Loss, d.nodes[0].state.Trainer.Params
	d.say("")
	d.say("The model has %s parameters. Untrained, its loss on held-out text is %.2f nats a letter.", thousands(d.sum.Params), first.Loss)
	d.say("")
	if err := d.train(ctx); err != nil {
		return err
	}
	return d.windUp(ctx)
}

// ready tells whether the first nodes are connected and their trainers up.
func (d *demo) ready() bool {
	for _, n := range d.nodes[:demoNodes] {
		if !n.state.Trainer.Up || n.connected() < demoNodes-1 {
			return false
		}
	}
	return true
}

// prepare makes the directories of all four nodes.
func (d *demo) prepare() error {
	m, err := DemoManifest(d.p.Method, d.p.XLA, d.p.For > 0)
	if err != nil {
		return err
	}
	if m.Rounds.H == 1 {
		d.act = stepsAct
	}
	raw, id, err := m.Encode()
	if err != nil {
		return err
	}
	d.swarm = id
	for _, name := range []string{"A", "B", "C", "D"} {
		n := &daemon{name: name, dir: home.Dir(filepath.Join(d.p.Dir, name))}
		peer, err := founding.Found(n.dir, raw)
		if err != nil {
			return err
		}
		n.peer = peer
		d.nodes = append(d.nodes, n)
	}
	return nil
}

// up starts a node that knows the running ones, and waits for its API.
func (d *demo) up(ctx context.Context, n *daemon) error {
	page := "off"
	if n == d.nodes[0] {
		page = "127.0.0.1:0"
	}
	args := []string{"--host", "127.0.0.1", "--port", "0", "--no-mdns", "--page", page, "--backend", d.p.Backend}
	for _, other := range d.nodes {
		if other == n || !other.running() {
			continue
		}
		for _, a := range addrsOf(other.state.Link) {
			args = append(args, "--bootstrap", a)
		}
	}
	if err := n.start(d.p.Exe, args, nil); err != nil {
		return err
	}
	err := d.until(ctx, readyLimit, func() bool { return n.known || !n.running() })
	if err == nil && !n.running() {
		err = errors.New("it ended at once")
	}
	if err != nil {
		return fmt.Errorf("starting node %s: %w; see %s", n.name, err, n.log())
	}
	return nil
}

// until looks at all nodes until a condition holds.
func (d *demo) until(ctx context.Context, limit time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		for _, n := range d.nodes {
			if n.look(ctx) {
				d.tellEvents(ctx, n)
			}
		}
		d.tellRounds()
		if ok() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(poll):
		}
	}
}

// train follows the script until the schedule's end or the time budget's.
func (d *demo) train(ctx context.Context) error {
	victim, late := d.nodes[2], d.nodes[3]
	left := d.p.budget() - time.Since(d.started)
	var scriptErr error
	err := d.until(ctx, left, func() bool {
		height := d.height() / d.act
		switch {
		case d.sum.Kills == 0:
			last := d.nodes[0].state.Round.Last
			if height >= killAt && d.nodes[0].state.Round.Seconds > last.Seconds*0.4 && victim.state.Trainer.Up {
				d.say("        ✗ C is killed in the middle of round %d (SIGKILL, as a power cut would)", last.Height+1)
				victim.kill()
				d.sum.Kills, d.killed = 1, time.Now()
			}
		case d.sum.Joins == 0 && height >= joinAt:
			d.say("        + D starts for the first time and joins")
			d.sum.Joins++
			scriptErr = d.up(ctx, late)
		case d.sum.Joins == 1 && height >= returnAt && late.state.Trainer.Up:
			d.say("        + C is started again and takes up where it was")
			d.sum.Joins++
			scriptErr = d.up(ctx, victim)
		}
		for i, n := range d.nodes {
			if expected := i < 2 || i == 2 && (d.sum.Kills == 0 || d.sum.Joins == 2) || i == 3 && d.sum.Joins > 0; expected && !n.running() {
				scriptErr = errors.Join(scriptErr, fmt.Errorf("node %s ended by itself; see %s", n.name, n.log()))
			}
		}
		return scriptErr != nil || d.nodes[0].state.Schedule.Complete
	})
	if scriptErr != nil {
		return scriptErr
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil // the time budget is spent
	}
	return err
}

// windUp stops training, waits until all nodes stand on one commit, and lets
// the model write.
func (d *demo) windUp(ctx context.Context) error {
	trained := time.Since(d.started).Seconds()
	for _, n := range d.nodes {
		if n.running() {
			if _, err := n.client.Pause(ctx, "", true); err != nil {
				return fmt.Errorf("pausing node %s: %w", n.name, err)
			}
		}
	}
	err := d.until(ctx, equalLimit, func() bool {
		d.sum.HeadsEqual = d.equal()
		return d.sum.HeadsEqual
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	head := d.nodes[0].state.Head
	last, err := d.nodes[0].client.Heldout(ctx)
	if err != nil {
		return fmt.Errorf("measuring the trained model: %w", err)
	}
	d.sum.HeldoutLast = last.Loss
	d.sum.Rounds, d.sum.StateRoot = head.Height, head.StateRoot
	d.account(trained)
	d.say("")
	d.say("Training is over: round %d, held-out loss %.2f (it was %.2f). Let the model write:", head.Height, last.Loss, d.sum.HeldoutFirst)
	d.say("")
	var text strings.Builder
	const prompt = "The Rays of Light "
	text.WriteString(prompt)
	err = d.nodes[0].client.Generate(ctx, api.Generate{Prompt: prompt, Tokens: 240, Temperature: 0.7, TopK: 40, Seed: 7},
		func(s string) { text.WriteString(s) })
	if err != nil {
		return fmt.Errorf("letting the model write: %w", err)
	}
	d.sum.Text = printable(text.String())
	for line := range strings.Lines(d.sum.Text) {
		d.say("    %s", strings.TrimRight(line, "\n"))
	}
	d.sum.Seconds = time.Since(d.started).Seconds()
	d.tellSummary()
	return nil
}

// account sums what all processes did.
func (d *demo) account(trained float64) {
	var steps, sent uint64
	for _, n := range d.nodes {
		s, t, b := n.did()
		steps += s
		sent += b
		d.sum.Tokens += t
	}
	d.sum.TokensPerSec = float64(d.sum.Tokens) / trained
	if steps > 0 {
		d.sum.BytesSent = float64(sent) / float64(steps)
	}
	// A ring all-reduce of fp32 gradients among N nodes sends 2(N−1)/N of them a
	// step; N is the smaller swarm here, which flatters murmur least.
	d.sum.AllReduce = 2 * float64(demoNodes-1) / demoNodes * 4 * float64(d.sum.Params)
	if d.sum.BytesSent > 0 {
		d.sum.Reduction = d.sum.AllReduce / d.sum.BytesSent
	}
}

// equal tells whether all nodes that the story left running do run, and stand on one commit with one state.
func (d *demo) equal() bool {
	d.sum.Nodes = 0
	for _, x := range d.nodes {
		if !x.running() {
			continue
		}
		d.sum.Nodes++
		if x.state.Head.ID != d.nodes[0].state.Head.ID || x.state.Head.StateRoot != d.nodes[0].state.Head.StateRoot {
			return false
		}
	}
	return d.sum.Nodes == demoNodes-d.sum.Kills+d.sum.Joins
}

// height is the newest round that any node has.
func (d *demo) height() uint64 {
	var h uint64
	for _, n := range d.nodes {
		h = max(h, n.state.Head.Height)
	}
	return h
}
