package overlap

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Asked is the least share of its time that a full-speed node's device should
// be busy with inner steps.
const Asked = 0.98

// Result is what a simulation gives. Shares are of 1; bytes count framing and
// acknowledgements.
type Result struct {
	Params    int     `json:"params"`
	Payload   uint64  `json:"payload_bytes"`
	Seconds   float64 `json:"simulated_seconds"`
	Apart     int     `json:"heights_apart"` // between the highest head and the lowest at the end
	H         uint32  `json:"h"`             // as it settled: medians of the second half of the rounds
	Round     float64 `json:"round_seconds"`
	Exchange  float64 `json:"exchange_seconds"` // from publishing to having the commit in the trainer
	Sent      float64 `json:"sent_bytes_per_node_per_round"`
	Necessary float64 `json:"necessary_bytes_per_node_per_round"` // one payload to each other node
	Late      float64 `json:"late_share"`                         // of tokens, learned between publishing and having the commit
	LeftOut   int     `json:"updates_left_out"`                   // of their round
	Switches  int     `json:"switches"`                           // of a node from one branch to another
	Nodes     []Node  `json:"nodes"`
	Rounds    []Round `json:"rounds"`
}

// Node is how one node's device spent its time.
type Node struct {
	Name    string  `json:"name"`
	Speed   float64 `json:"speed"`
	Busy    float64 `json:"busy"`
	Capture float64 `json:"capture"`
	Add     float64 `json:"add"`
	Waiting float64 `json:"waiting"` // its assignment was used up
	Sent    float64 `json:"sent_bytes"`
}

// Round is one commit, as the first node saw it.
type Round struct {
	Height  uint64  `json:"height"`
	Seconds float64 `json:"seconds"`
	Updates int     `json:"updates"`
	View    uint32  `json:"view"`
	NextH   uint32  `json:"next_h"`
}

func (s *swarm) result() Result {
	r := Result{
		Params: s.p.Model.Layout().Params(), Payload: s.size, Seconds: s.clock.now.Seconds(),
		Necessary: float64(s.size) * float64(s.p.Nodes-1), Rounds: s.rounds,
	}
	var tokens, late float64
	var exchanges []time.Duration
	low, high := ^uint64(0), uint64(0)
	for _, n := range s.nodes {
		d := n.device
		total := s.clock.now
		training := d.training
		if d.running && d.since < total && len(d.queue) == 0 {
			training += total - d.since // the step in progress
		}
		share := func(t time.Duration) float64 { return t.Seconds() / total.Seconds() }
		waiting := d.waiting
		if !d.running {
			waiting += total - d.since
		}
		r.Nodes = append(r.Nodes, Node{
			Name: string(n.id), Speed: s.p.Step.Seconds() / d.stepTime.Seconds(), Busy: share(training),
			Capture: share(d.servedFor["capture"]), Add: share(d.servedFor["add"]), Waiting: share(waiting), Sent: s.links.sent[n.i],
		})
		tokens += float64(d.steps)
		late += float64(n.late) / float64(s.stepTokens())
		exchanges = append(exchanges, n.exchanges[len(n.exchanges)/2:]...)
		r.LeftOut += n.left
		r.Switches += n.switches
		r.Sent += s.links.sent[n.i] / float64(s.p.Nodes) / float64(max(len(s.rounds), 1))
		height := n.m.Status().Head.Height
		low, high = min(low, height), max(high, height)
	}
	r.Late, r.Apart = late/max(tokens, 1), int(high-low)
	settled := s.rounds[len(s.rounds)/2:]
	r.H = median(settled, func(x Round) uint32 { return x.NextH })
	r.Round = median(settled, func(x Round) float64 { return x.Seconds })
	r.Exchange = median(exchanges, time.Duration.Seconds)
	return r
}

func median[T any, V uint32 | float64](of []T, value func(T) V) V {
	vs := make([]V, 0, len(of))
	for _, x := range of {
		vs = append(vs, value(x))
	}
	if len(vs) == 0 {
		return 0
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

// Worst is the least busy share of the full-speed nodes.
func (r Result) Worst() float64 {
	worst := 1.0
	for _, n := range r.Nodes {
		if n.Speed == 1 {
			worst = min(worst, n.Busy)
		}
	}
	return worst
}

// Table writes the result as tables.
func (r Result) Table(out io.Writer) error {
	fmt.Fprintf(out, "%d nodes, %.0fM parameters, payloads of %.1f MB, %.0f virtual minutes\n\n",
		len(r.Nodes), float64(r.Params)/1e6, float64(r.Payload)/1e6, r.Seconds/60)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSPEED\tBUSY\tCAPTURE\tADD\tWAITING\tSENT")
	for _, n := range r.Nodes {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f %%\t%.2f %%\t%.2f %%\t%.2f %%\t%.2f GB\n",
			n.Name, n.Speed, 100*n.Busy, 100*n.Capture, 100*n.Add, 100*n.Waiting, n.Sent/1e9)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe least busy full-speed device trained %.2f %% of the time; asked are %.0f %%.\n", 100*r.Worst(), 100*Asked)
	fmt.Fprintf(out, "%d rounds; settled at H = %d, %.0f s a round, %.0f s an exchange.\n", len(r.Rounds), r.H, r.Round, r.Exchange)
	fmt.Fprintf(out, "A node sent %.0f MB a round, %.2f times the necessary; %.1f %% of the tokens were late, %d updates left out, %d switches of branch.\n",
		r.Sent/1e6, r.Sent/r.Necessary, 100*r.Late, r.LeftOut, r.Switches)
	return nil
}
