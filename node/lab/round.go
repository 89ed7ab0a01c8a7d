package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// warmRounds is how many rounds pass before a case is measured.
const warmRounds = 3

// RoundCase is a swarm whose rounds are measured.
type RoundCase struct {
	Nodes  int    `json:"nodes"`
	Model  string `json:"model"` // one of Models
	Method string `json:"method"`
}

// RoundCases are the cases of a method that are measured unless others are asked for.
func RoundCases(method string) []RoundCase {
	return []RoundCase{{4, "2.4M", method}, {8, "2.4M", method}, {16, "2.4M", method}, {4, "25M", method}, {8, "25M", method}}
}

// RoundParams say how the round bench runs.
type RoundParams struct {
	Exe      string // path of the murmur program
	Cases    []RoundCase
	Rounds   int // measured rounds of each case
	StepTime time.Duration
	Out      io.Writer // where a line for each case goes
}

// Validate says what is wrong with p.
func (p RoundParams) Validate() error {
	for _, c := range p.Cases {
		if c.Nodes < 2 || c.Nodes > 26 {
			return fmt.Errorf("%d nodes: want 2 to 26", c.Nodes)
		}
		if _, err := benchManifest(c.Model, c.Method); err != nil {
			return err
		}
	}
	if p.Exe == "" || p.Out == nil || p.Rounds < 1 || p.Rounds > 200 || len(p.Cases) == 0 {
		return errors.New("the round bench needs a program, an output, a case and 1 to 200 rounds")
	}
	return nil
}

// RoundResult is what one case gave. Times are seconds; a round is measured from its last update being published.
type RoundResult struct {
	RoundCase
	Params     int     `json:"params"`
	Rounds     int     `json:"rounds"`
	Applied    Spread  `json:"applied_on_all_s"`
	Stages     Stages  `json:"stages_s"`
	Bytes      float64 `json:"bytes_per_round"`           // bytes that all nodes sent, heartbeats included
	Necessary  float64 `json:"necessary_bytes_per_round"` // bytes of every payload once to every other node
	Ratio      float64 `json:"bytes_ratio"`
	CPU        float64 `json:"cpu_s_per_round_and_node"`
	TrainerCPU float64 `json:"trainer_cpu_s_per_round_and_node"`
	Memory     uint64  `json:"memory_bytes_per_node"`    // a daemon's proportional share, without its trainer's
	Anonymous  uint64  `json:"anonymous_bytes_per_node"` // of Memory, what no file backs
	TrainerMem uint64  `json:"trainer_memory_bytes_per_node"`
	Heap       uint64  `json:"heap_bytes_per_node"`
	Goroutines int     `json:"goroutines_per_node"`
}

// Stages are medians over the rounds of when the last node had come so far, but for Published: that is from a round being
// due on the first node to the last update being published.
type Stages struct {
	Published float64 `json:"published"`
	Fetched   float64 `json:"fetched"`  // all payloads are everywhere
	Built     float64 `json:"built"`    // the closer has the commit
	Pulled    float64 `json:"pulled"`   // all have it
	Verified  float64 `json:"verified"` // all have computed its state
	Adopted   float64 `json:"adopted"`
	Applied   float64 `json:"applied"` // all trainers have it
}

// Rounds measures rounds of swarms on this machine, one case after the other.
func Rounds(ctx context.Context, p RoundParams) (report RoundReport, err error) {
	if err := p.Validate(); err != nil {
		return report, err
	}
	for _, c := range p.Cases {
		r, err := rounds(ctx, p, c)
		if err != nil {
			return report, fmt.Errorf("%d nodes, %s, %s: %w", c.Nodes, c.Model, c.Method, err)
		}
		report.Cases = append(report.Cases, r)
		fmt.Fprintf(p.Out, "%2d nodes  %-4s  %-7s  applied on all after %.2f s (worst %.2f s)\n", c.Nodes, c.Model, c.Method, r.Applied.Median, r.Applied.Worst)
	}
	return report, nil
}

// rounds measures one case.
func rounds(ctx context.Context, p RoundParams, c RoundCase) (r RoundResult, err error) {
	m, err := benchManifest(c.Model, c.Method)
	if err != nil {
		return r, err
	}
	s, err := foundSwarm(p.Exe, "toy:"+p.StepTime.String(), m, c.Nodes)
	if err != nil {
		return r, err
	}
	defer func() { err = s.finish(err) }()
	if err := s.begin(ctx); err != nil {
		return r, err
	}
	if err := s.above(ctx, s.height()+warmRounds, settleLimit); err != nil {
		return r, err
	}
	before, err := s.used()
	if err != nil {
		return r, err
	}
	from := s.nodes[0].state.Head.Height
	// The last of them is complete once the next has begun everywhere.
	if err := s.above(ctx, from+uint64(p.Rounds)+1, time.Duration(p.Rounds+1)*settleLimit); err != nil {
		return r, err
	}
	after, err := s.used()
	if err != nil {
		return r, err
	}
	went := float64(s.nodes[0].state.Head.Height - from)
	n := float64(c.Nodes)
	r = RoundResult{
		RoundCase: c, Params: s.nodes[0].state.Trainer.Params,
		Bytes: (after.sent - before.sent) / went, CPU: millis((after.cpu - before.cpu) / went / n),
		TrainerCPU: millis((after.trainerCPU - before.trainerCPU) / went / n),
		Memory:     uint64(after.memory / n), Anonymous: uint64(after.anonymous / n), TrainerMem: uint64(after.trainerMem / n),
		Heap: uint64(after.heap / n), Goroutines: int(after.goroutines / n),
	}
	payload, err := s.nodes[0].payload()
	if err != nil {
		return r, err
	}
	r.Necessary = n * (n - 1) * float64(payload)
	r.Ratio = millis(r.Bytes / r.Necessary)
	return r, s.time(ctx, &r, from, from+uint64(p.Rounds))
}
