package trial

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Names of the lines of a table about adapters that others are compared with: all-reduce on the adapter.
const (
	tuneAllReduceAdamW = "tune-allreduce-adamw"
	tuneAllReduceMuon  = "tune-allreduce-muon"
)

// TuneLines compare the ways to train an adapter together. Rates are about ten times those of the whole model.
func TuneLines() []Line {
	const adamW, muon = optimizer.AdamW, optimizer.Muon
	bitloco, sparse := with(outer.Bitloco, nil), with(outer.SparseLoCo, nil)
	return []Line{
		{Name: "tune-alone", Title: "a lone node", Optimizer: adamW, Peers: 1, Rate: 8e-3},
		{Name: tuneAllReduceAdamW, Title: "all-reduce, as one node with four batches", Optimizer: adamW, Peers: 4, Rate: 8e-3, Claimed: true},
		{Name: tuneAllReduceMuon, Title: "all-reduce, as one node with four batches", Optimizer: muon, Peers: 4, Rate: 16e-3, Claimed: true},
		{Name: "tune-bitloco-adamw", Title: "bitloco, 1 bit", Method: bitloco, Optimizer: adamW, H: 30, Peers: 4, Rate: 8e-3, Claimed: true},
		{Name: "tune-bitloco-muon", Title: "bitloco, 1 bit", Method: bitloco, Optimizer: muon, H: 30, Peers: 4, Rate: 16e-3, Claimed: true},
		{Name: "tune-sparseloco", Title: "sparseloco, 64 of 4096", Method: sparse, Optimizer: adamW, H: 30, Peers: 4, Rate: 8e-3, Claimed: true},
	}
}

// Tuning is what adapters gave.
type Tuning struct {
	Base    int      `json:"base"` // parameters of the model under the adapter
	Steps   int      `json:"steps"`
	Batch   int      `json:"batch"`
	SeqLen  int      `json:"seq_len"`
	Heldout int      `json:"heldout"`
	Untuned float64  `json:"untuned"` // held-out loss of the base, in nats
	Backend string   `json:"backend"`
	Choices []Choice `json:"choices"`
}

// Choice is one kind of adapter.
type Choice struct {
	Rank   int    `json:"rank"`
	Train  string `json:"train"`
	Params int    `json:"params"`
	Rows   []Row  `json:"rows"`
}

// allReduce is the best of the rows that stand for all-reduce.
func (c Choice) allReduce() (best Row, ok bool) {
	for _, r := range c.Rows {
		if r.Name != tuneAllReduceAdamW && r.Name != tuneAllReduceMuon {
			continue
		}
		loss, _, fine := r.Loss()
		if before, _, have := best.Loss(); fine && (!have || loss < before) {
			best, ok = r, true
		}
	}
	return best, ok
}

// Table writes the choices for people.
func (t Tuning) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "adapters on a base of %d parameters, whose held-out loss is %.3f; %d steps of %d x %d tokens a peer, %s\n\n", t.Base, t.Untuned, t.Steps, t.Batch, t.SeqLen, t.Backend)
	fmt.Fprintln(w, "adapter\tline\toptimizer\tlr\theld-out\tabove all-reduce\tbytes a step\ttimes fewer than all-reduce's")
	for _, c := range t.Choices {
		reference, ok := c.allReduce()
		for _, r := range c.Rows {
			loss, spread, fine := r.Loss()
			end, above := "diverged", ""
			if fine {
				end = fmt.Sprintf("%.3f ± %.3f", loss, spread)
			}
			if by := r.above(reference); ok && fine && len(by) > 0 {
				above = fmt.Sprintf("%+.3f", slices.Max(by))
			}
			fewer := ""
			if n := r.Reduction(c.Params); n > 0 && r.H > 0 {
				fewer = fmt.Sprintf("%.0f", n)
			}
			fmt.Fprintf(w, "%s, rank %d\t%s\t%s\t%.2g\t%s\t%s\t%.0f\t%s\n", c.Train, c.Rank, r.Title, r.Optimizer, r.Rate, end, above, r.PerStep(), fewer)
		}
	}
	return w.Flush()
}
