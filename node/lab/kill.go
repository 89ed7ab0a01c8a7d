package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	killNodes   = 4
	settleLimit = 90 * time.Second // most time until all nodes train together
	// exchangeGuess is the assumed length of an exchange before one was measured.
	exchangeGuess = 500 * time.Millisecond
	// overTries bounds the runs that do not count, because the exchange was over before the fault, for each that counts.
	overTries = 4
)

// KillKinds are the kinds of fault: what is done, and to whom.
func KillKinds() []string {
	return []string{"kill", "stop", "kill closer", "stop closer", "kill two", "stop two"}
}

// KillParams say how the kill bench runs.
type KillParams struct {
	Exe      string   // path of the murmur program
	Model    string   // one of Models
	Kinds    []string // some of KillKinds
	Runs     int      // number of runs of each kind
	Seed     uint64   // seed from which victims and moments are drawn
	StepTime time.Duration
	Out      io.Writer // where a line for each run goes
}

// Validate says what is wrong with p.
func (p KillParams) Validate() error {
	for _, k := range p.Kinds {
		if !slices.Contains(KillKinds(), k) {
			return fmt.Errorf("kind %q is not one of: %s", k, strings.Join(KillKinds(), ", "))
		}
	}
	if _, err := benchManifest(p.Model, "bitloco"); err != nil {
		return err
	}
	if p.Exe == "" || p.Out == nil || p.Runs < 1 || len(p.Kinds) == 0 {
		return errors.New("the kill bench needs a program, an output, a kind and at least one run of each")
	}
	return nil
}

// KillRun is one fault. Times are seconds.
type KillRun struct {
	Kind      string   `json:"kind"`
	Victims   []string `json:"victims"`
	Height    uint64   `json:"height"` // height of the next commit: the first that not all survivors had at the fault
	Closer    string   `json:"closer"` // node that closed that commit
	View      uint32   `json:"view"`
	Moment    float64  `json:"moment_s"`      // time from the round being due on the first node to the fault
	Stage     string   `json:"stage"`         // stage of the round at the fault
	Identical bool     `json:"identical"`     // whether the survivors came to one state on one commit, before the victims were back
	Next      float64  `json:"next_commit_s"` // time from the fault to the next commit on all survivors
	Gap       float64  `json:"gap_s"`         // longest time between two commits on all survivors, training included
	Level     float64  `json:"level_s"`       // time from the victim's start or SIGCONT until it has the others' head
	Back      float64  `json:"back_s"`        // to a commit with an update of each node
	Forks     int      `json:"forks"`         // commits that a survivor adopted and left for another of that height
	Without   int      `json:"left_out"`      // survivors' updates that the commits up to the next one lack
	Lost      int      `json:"healthy_lost"`  // survivors without an update in any of those commits
}

// KillKind sums up the runs of one kind.
type KillKind struct {
	Kind        string         `json:"kind"`
	Runs        int            `json:"runs"`
	Identical   int            `json:"identical"`
	Next        Spread         `json:"next_commit_s"`
	Gap         Spread         `json:"gap_s"`
	BeyondGrace float64        `json:"beyond_grace_worst_s"` // worst time to the next commit less grace, 0 at least
	Level       Spread         `json:"level_s"`
	Back        Spread         `json:"back_s"`
	Forks       int            `json:"forks"`
	Without     int            `json:"left_out"`
	Lost        int            `json:"healthy_lost"`
	Stages      map[string]int `json:"stages"`
}

// KillReport is what came of the kill bench.
type KillReport struct {
	Nodes       int        `json:"nodes"`
	Params      int        `json:"params"`
	Method      string     `json:"method"`
	Grace       float64    `json:"grace_s"`
	ViewTimeout float64    `json:"view_timeout_s"`
	Seed        uint64     `json:"seed"`
	Exchange    Spread     `json:"healthy_exchange_s"` // time from due on the first node to applied on all, in rounds without a fault
	Kinds       []KillKind `json:"kinds"`
	Runs        []KillRun  `json:"runs"`
}

// Holds tells whether every run ended with identical survivors and none of them lost.
func (r KillReport) Holds() bool {
	return len(r.Runs) > 0 && !slices.ContainsFunc(r.Runs, func(k KillRun) bool { return !k.Identical || k.Lost > 0 })
}

// killer is one run of the bench.
type killer struct {
	p       KillParams
	swarm   *swarm
	draw    *rand.Rand
	report  KillReport
	healthy []float64 // lengths of exchanges in rounds that lacked nobody
	learned uint64    // height up to which exchanges were measured
}

// Kill breaks nodes of a swarm of four in the middle of exchanges, and sees what becomes of the others and of them.
func Kill(ctx context.Context, p KillParams) (report KillReport, err error) {
	if err := p.Validate(); err != nil {
		return report, err
	}
	m, err := benchManifest(p.Model, "bitloco")
	if err != nil {
		return report, err
	}
	k := &killer{p: p, draw: rand.New(rand.NewPCG(p.Seed, 0))}
	k.report = KillReport{
		Nodes: killNodes, Method: m.Method.Name, Seed: p.Seed,
		Grace: grace.Seconds(), ViewTimeout: viewTimeout.Seconds(),
	}
	if k.swarm, err = foundSwarm(p.Exe, "toy:"+p.StepTime.String(), m, killNodes); err != nil {
		return report, err
	}
	defer func() { err = k.swarm.finish(err) }()
	if err := k.swarm.begin(ctx); err != nil {
		return report, err
	}
	k.report.Params = k.swarm.nodes[0].state.Trainer.Params
	// One more round, so that an exchange that lacks nobody is measured before the first fault.
	if err := k.swarm.above(ctx, k.swarm.height()+1, settleLimit); err != nil {
		return report, err
	}
	for _, kind := range p.Kinds {
		runs, err := k.runs(ctx, kind)
		k.report.Runs = append(k.report.Runs, runs...)
		k.report.Kinds = append(k.report.Kinds, sumUp(kind, runs))
		k.report.Exchange = spreadOf(k.healthy)
		if err != nil {
			return k.report, err
		}
	}
	return k.report, nil
}

// runs breaks nodes in one way, until the fault fell into the exchange as often as asked.
func (k *killer) runs(ctx context.Context, kind string) (runs []KillRun, err error) {
	within := 0
	for tries := 0; within < k.p.Runs && tries < overTries*k.p.Runs; tries++ {
		r, err := k.run(ctx, kind)
		if err != nil {
			return runs, fmt.Errorf("run %d of %s: %w", tries+1, kind, err)
		}
		if r.Stage != stageOver {
			within++
		}
		fmt.Fprintf(k.p.Out, "%-11s %2d/%d  %-4s round %-4d %5.2f s after due, %-10s  next commit %5.2f s  level %5.2f s  %s\n",
			kind, within, k.p.Runs, strings.Join(r.Victims, "+"), r.Height, r.Moment, r.Stage, r.Next, r.Level, r.verdict())
		runs = append(runs, r)
	}
	return runs, nil
}

// run breaks one or two nodes once and brings them back.
func (k *killer) run(ctx context.Context, kind string) (r KillRun, err error) {
	s := k.swarm
	if err := s.settled(ctx); err != nil {
		return r, err
	}
	head := s.nodes[0].state.Head.Height
	if err := k.learn(ctx, head); err != nil {
		return r, err
	}
	victims := k.victims(kind, head+1)
	if err := s.until(ctx, settleLimit, func() bool {
		return slices.ContainsFunc(s.nodes, func(d *daemon) bool { return d.state.Round.Due || d.state.Head.Height > head })
	}); err != nil {
		return r, err
	}
	wait := k.draw.Float64() * k.exchange() // from the round being due to the last node having applied it
	select {
	case <-ctx.Done():
		return r, ctx.Err()
	case <-time.After(time.Duration(wait * float64(time.Second))):
	}

	fault := time.Now()
	s.down = victims
	for _, v := range victims {
		if strings.HasPrefix(kind, "stop") {
			err = errors.Join(err, v.freeze())
		} else {
			v.kill()
		}
		r.Victims = append(r.Victims, v.name)
	}
	if err != nil {
		return r, err
	}
	survivors := slices.DeleteFunc(slices.Clone(s.nodes), func(d *daemon) bool { return slices.Contains(victims, d) })
	// A round more than the one that was hit, so that a whole one without the victims is seen.
	went := func() bool {
		return !slices.ContainsFunc(survivors, func(d *daemon) bool { return d.state.Head.Height < head+2 })
	}
	if err := s.until(ctx, settleLimit, went); err != nil {
		return r, fmt.Errorf("the survivors of a fault in round %d do not go on: %w", head+1, err)
	}
	err = s.until(ctx, settleLimit, func() bool {
		h := survivors[0].state.Head
		return !slices.ContainsFunc(survivors, func(d *daemon) bool {
			return d.state.Head.ID != h.ID || d.state.Head.StateRoot != h.StateRoot
		})
	})
	r.Kind, r.Identical = kind, err == nil
	level, back, err := k.comeBack(ctx, victims)
	if err != nil {
		return r, err
	}
	r.Level, r.Back = millis(level.Seconds()), millis(back.Seconds())
	t, err := s.ask(ctx, head-1)
	if err != nil {
		return r, err
	}
	k.judge(&r, t, head, fault, survivors)
	return r, nil
}

// victims draws whom a fault strikes.
func (k *killer) victims(kind string, height uint64) []*daemon {
	order := k.draw.Perm(killNodes)
	first, second := k.swarm.nodes[order[0]], k.swarm.nodes[order[1]]
	switch {
	case strings.HasSuffix(kind, "closer"):
		return []*daemon{k.swarm.turn(height)}
	case strings.HasSuffix(kind, "two"):
		return []*daemon{first, second}
	}
	return []*daemon{first}
}

// comeBack restarts or thaws the victims. It returns how long they took to be on the others' head, and to share a commit.
func (k *killer) comeBack(ctx context.Context, victims []*daemon) (level, back time.Duration, err error) {
	s := k.swarm
	began := time.Now()
	s.down = nil
	for _, v := range victims {
		if v.frozen {
			err = errors.Join(err, v.thaw())
		} else {
			err = errors.Join(err, s.start(v))
		}
	}
	if err != nil {
		return 0, 0, err
	}
	if err := s.until(ctx, settleLimit, func() bool {
		return s.all(func(d *daemon) bool { return d.known && d.state.Head.ID == s.nodes[0].state.Head.ID })
	}); err != nil {
		return 0, 0, fmt.Errorf("the victims do not catch up: %w", err)
	}
	level = time.Since(began)
	err = s.settled(ctx)
	return level, time.Since(began), err
}
