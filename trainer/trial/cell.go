package trial

import (
	"encoding/json"
	"fmt"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/outer"
)

const (
	// MaxPeers bounds the virtual peers: each has a model and its moments in memory.
	MaxPeers = 64
	// MaxSteps bounds the inner steps of a peer.
	MaxSteps = 1 << 20
	// The held-out loss is measured every pointSteps, but at least and at most so often in a trial.
	pointSteps, fewPoints, manyPoints = 50, 3, 20
	// warmupOf a schedule's steps: 50 of 600.
	warmupOf = 12
)

// Cell is one trial, all that its result follows from beside model and data.
type Cell struct {
	Line      string          `json:"line"`
	Method    *outer.Settings `json:"method,omitempty"` // nil: one node, whose batch is all peers' together
	Optimizer string          `json:"optimizer"`        // the inner one; "none" where the method makes the steps of it
	Rate      float64         `json:"rate"`             // the learning rate's peak
	H         int             `json:"h,omitempty"`      // inner steps a round
	Late      int             `json:"late,omitempty"`   // inner steps after which a commit is adopted
	Peers     int             `json:"peers"`
	Batch     int             `json:"batch"` // samples a step of a peer
	Steps     int             `json:"steps"` // of a peer
	Total     int             `json:"total"` // steps of the schedule, of which these are the first
	Heldout   int             `json:"heldout"`
	Fresh     bool            `json:"fresh,omitempty"` // the inner optimizer's moments begin at 0 in each round
	Short     bool            `json:"short,omitempty"` // parameters and moments are bfloat16 on the device, optimizer.BF16
	Seed      uint64          `json:"seed"`            // of initial weights and of the order of the data
	Attack    *Attack         `json:"attack,omitempty"`
}

// Validate says what is wrong with a cell.
func (c Cell) Validate() error {
	switch {
	case c.Peers < 1 || c.Peers > MaxPeers:
		return fmt.Errorf("%d peers: 1 to %d can be tried", c.Peers, MaxPeers)
	case c.Steps < 1 || c.Steps > MaxSteps:
		return fmt.Errorf("%d steps: 1 to %d can be tried", c.Steps, MaxSteps)
	case c.Total < c.Steps || c.Total > MaxSteps:
		return fmt.Errorf("a schedule of %d steps for %d", c.Total, c.Steps)
	case !(c.Rate > 0 && c.Rate < 1):
		return fmt.Errorf("a learning rate of %g: it must lie between 0 and 1", c.Rate)
	case c.Optimizer != optimizer.AdamW && c.Optimizer != optimizer.Muon && c.Optimizer != optimizer.None:
		return fmt.Errorf("inner optimizer %q is not known", c.Optimizer)
	case c.Heldout < 2:
		return fmt.Errorf("a held-out part of %d tokens: at least 2 are needed", c.Heldout)
	case c.Method == nil:
		return nil
	case c.H < 1:
		return fmt.Errorf("%d inner steps a round: at least 1 is needed", c.H)
	case c.Late < 0 || c.Late > c.H:
		return fmt.Errorf("a commit %d steps late: 0 to %d can be tried", c.Late, c.H)
	}
	if c.Attack != nil {
		if err := c.Attack.validate(c.Peers); err != nil {
			return err
		}
	}
	return c.Method.Validate()
}

// key is equal for equal cells.
func (c Cell) key() string {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Sprint(c) // a number that is not finite; Validate refuses it
	}
	return string(b)
}

// every is how many steps lie between two measurements of the held-out loss.
func (c Cell) every() int {
	return max(1, c.Steps/min(max(c.Steps/pointSteps, fewPoints), manyPoints))
}

// Result is what a trial gave.
type Result struct {
	Cell     Cell    `json:"cell"`
	Points   []Point `json:"points"`
	Sent     uint64  `json:"sent"`     // payload bytes that a peer published, each counted once; the mean of all peers
	Diverged bool    `json:"diverged"` // it ended before its time
	Backend  string  `json:"backend"`
	Seconds  float64 `json:"seconds"`
}

// Point is the shared model after some of the steps.
type Point struct {
	Steps  int     `json:"steps"`  // of a peer
	Tokens uint64  `json:"tokens"` // a peer's
	Sent   uint64  `json:"sent"`
	Loss   float64 `json:"loss"` // held-out, in nats
}

// Loss is the held-out loss at the end; ok is false where the trial diverged.
func (r Result) Loss() (loss float64, ok bool) {
	if r.Diverged || len(r.Points) == 0 {
		return 0, false
	}
	return r.Points[len(r.Points)-1].Loss, true
}

// sentAt is Sent with a peer's share of all payloads so far.
func sentAt(all uint64, peers int) uint64 { return (all + uint64(peers)/2) / uint64(peers) }
