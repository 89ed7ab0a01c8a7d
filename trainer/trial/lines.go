package trial

import (
	"fmt"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Line is one row of the table: a way to train, whatever the seed and the learning rate.
type Line struct {
	Name      string
	Title     string
	Method    *outer.Settings // nil: one node with the batches of all peers
	Optimizer string
	H, Late   int
	Peers     int
	Rate      float64 // where the search for the learning rate begins; one of rates
	Claimed   bool    // a claim rests on it, so it is run with all seeds
	Like      string  // the line that it varies: it has that one's learning rate, and no search of its own
	Fresh     bool
	Short     bool
	Attack    *Attack
}

// Names of the lines that claims are about.
const (
	aloneMuon       = "alone-muon"
	allReduceAdamW  = "allreduce-adamw"
	allReduceMuon   = "allreduce-muon"
	bitlocoH10      = "bitloco-h10"
	bitlocoH20      = "bitloco-h20"
	bitlocoH32      = "bitloco-h32"
	bitlocoInBuffer = "bitloco-buffer"
)

// rates are the learning rates that are tried: √2 apart, rounded.
var rates = [...]float64{
	2.5e-4, 3.5e-4, 5e-4, 7e-4, 1e-3, 1.4e-3, 2e-3, 2.8e-3, 4e-3, 5.6e-3, 8e-3, 11e-3, 16e-3, 22e-3, 32e-3, 45e-3, 64e-3,
}

// with are a method's settings, changed.
func with(name string, change func(*outer.Settings)) *outer.Settings {
	s := defaults(name)
	if change != nil {
		change(&s)
	}
	return &s
}

// Lines are all that the table has, but for the attacks, which are chosen by name. Rates are about the best ones that a simulation found.
func Lines() []Line { return append(methods(), frontier()...) }

// methods are the lines that compare the methods.
func methods() []Line {
	const adamW, muon = optimizer.AdamW, optimizer.Muon
	plain := func(s *outer.Settings) { s.OuterLR = 1 } // the default is a variation
	bitloco := with(outer.Bitloco, plain)
	return []Line{
		{Name: "alone-adamw", Title: "a lone node", Optimizer: adamW, Peers: 1, Rate: 2.8e-3},
		{Name: aloneMuon, Title: "a lone node", Optimizer: muon, Peers: 1, Rate: 4e-3, Claimed: true},
		{Name: allReduceAdamW, Title: "allreduce", Method: with(outer.AllReduce, func(s *outer.Settings) { s.Mean = outer.MeanPlain }), Optimizer: adamW, H: 1, Peers: 4, Rate: 2.8e-3, Claimed: true},
		{Name: allReduceMuon, Title: "all-reduce, as one node with four batches", Optimizer: muon, Peers: 4, Rate: 4e-3, Claimed: true},
		{Name: "fedavg-h10", Title: "fedavg, fp32", Method: with(outer.FedAvg, nil), Optimizer: adamW, H: 10, Peers: 4, Rate: 2.8e-3},
		{Name: "diloco", Title: "diloco, fp32, outer lr .7, momentum .9", Method: with(outer.DiLoCo, nil), Optimizer: adamW, H: 20, Peers: 4, Rate: 2e-3},
		{
			Name: "streaming", Title: "streaming, fp4, 3 fragments in turn, mixed half, 2 steps late", Method: with(outer.Streaming, nil),
			Optimizer: adamW, H: 10, Late: 2, Peers: 4, Rate: 2e-3,
		},
		{Name: bitlocoH10, Title: "bitloco, 1 bit, outer rate 1", Method: bitloco, Optimizer: muon, H: 10, Peers: 4, Rate: 5.6e-3, Claimed: true},
		{Name: bitlocoH20, Title: "bitloco, 1 bit, outer rate 1", Method: bitloco, Optimizer: muon, H: 20, Peers: 4, Rate: 8e-3, Claimed: true},
		{Name: bitlocoH32, Title: "bitloco, 1 bit, outer rate 1", Method: bitloco, Optimizer: muon, H: 32, Peers: 4, Rate: 4e-3, Claimed: true},
		{Name: "bitloco-adamw", Title: "bitloco, 1 bit, outer rate 1", Method: bitloco, Optimizer: adamW, H: 20, Peers: 4, Rate: 2.8e-3},
		{
			Name: bitlocoInBuffer, Title: "bitloco, 1 bit, outer rate 1, residual in a buffer",
			Method:    with(outer.Bitloco, func(s *outer.Settings) { s.OuterLR, s.Residual = 1, outer.ResidualBuffer }),
			Optimizer: muon, H: 20, Peers: 4, Rate: 8e-3, Claimed: true,
		},
		{
			Name: "bitloco-buffer-h32", Title: "bitloco, 1 bit, outer rate 1, residual in a buffer",
			Method:    with(outer.Bitloco, func(s *outer.Settings) { s.OuterLR, s.Residual = 1, outer.ResidualBuffer }),
			Optimizer: muon, H: 32, Peers: 4, Rate: 11e-3,
		},
		{Name: "sparseloco", Title: "sparseloco, 64 of 4096", Method: with(outer.SparseLoCo, nil), Optimizer: adamW, H: 20, Peers: 4, Rate: 2e-3},
		{Name: "distro", Title: "distro, 8 of a block, 1 bit", Method: with(outer.DisTrO, nil), Optimizer: optimizer.None, H: 1, Peers: 4, Rate: 1e-3},
		{Name: "allreduce-muon-8", Title: "all-reduce, as one node with eight batches", Optimizer: muon, Peers: 8, Rate: 11e-3},
	}
}

// defaults of a method that there is.
func defaults(name string) outer.Settings {
	s, err := outer.Defaults(name)
	if err != nil {
		panic(err) // a test calls it
	}
	return s
}

// QuickNames are the lines that show each method once.
func QuickNames() []string {
	return []string{aloneMuon, allReduceAdamW, "fedavg-h10", "diloco", "streaming", bitlocoH10, "sparseloco", "distro"}
}

// Select finds lines by name, in the table's order; no names are all lines.
func Select(names []string) ([]Line, error) {
	if len(names) == 0 {
		return Lines(), nil
	}
	return SelectFrom(append(Lines(), attacks()...), names)
}

// SelectFrom finds lines by name, in their order; no names are all.
func SelectFrom(all []Line, names []string) ([]Line, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, l := range all {
		known = append(known, l.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("line %q is not one of %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(l Line) bool { return !slices.Contains(names, l.Name) }), nil
}

func (l Line) cell(p TableParams, rate float64, steps int, seed uint64) Cell {
	return Cell{
		Line: l.Name, Method: l.Method, Optimizer: l.Optimizer, Rate: rate, H: l.H, Late: l.Late, Peers: l.Peers,
		Batch: p.Batch, Steps: steps, Total: p.Steps, Heldout: p.Heldout, Fresh: l.Fresh, Short: l.Short, Seed: seed, Attack: l.Attack,
	}
}
