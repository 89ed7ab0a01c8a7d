package trial

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/outer"
)

// One peer's averages are its own model: the inner optimizer alone, within rounding.
func TestOnePeerIsItsInnerOptimizer(t *testing.T) {
	b := real(t)
	for _, kind := range []string{optimizer.AdamW, optimizer.Muon} {
		one := func(c *Cell) { c.Peers, c.Steps, c.Optimizer = 1, 12, kind }
		near(t, run(t, b, cell(outer.FedAvg, one)), run(t, b, cell("", one)), 1e-5)
	}
}

// Averaged gradients of two batches are the gradient of both: what the table has one node stand for.
func TestAllReduceIsOneNode(t *testing.T) {
	b := real(t)
	two := run(t, b, cell(outer.AllReduce, func(c *Cell) { c.H, c.Steps, c.Method.Mean = 1, 6, outer.MeanPlain }))
	one := run(t, b, cell("", func(c *Cell) { c.Steps = 6 }))
	near(t, two, one, 1e-4)
	if two.Sent != one.Sent || two.Sent != 6*payload(t, b, defaults(outer.AllReduce)) {
		t.Errorf("sent %d, and as one node %d", two.Sent, one.Sent)
	}
}

// Each line's method learns in a tiny model, and learns the same a second time.
func TestEachLineRuns(t *testing.T) {
	b := real(t)
	before := run(t, b, cell("", func(c *Cell) { c.Rate, c.Steps = 1e-9, 1 })).Points[0].Loss
	for _, l := range append(Lines(), TuneLines()...) {
		t.Run(l.Name, func(t *testing.T) {
			c := l.cell(TableParams{Steps: 4, Batch: 2, Heldout: 65}, l.Rate, 4, 1)
			c.H, c.Late, c.Peers = min(c.H, 2), min(c.Late, 2), min(c.Peers, 2)
			r := run(t, b, c)
			if loss, _ := r.Loss(); loss >= before {
				t.Errorf("the loss went from %.4f to %.4f", before, loss)
			}
			if (r.Sent > 0) != (c.Peers > 1 || c.Method != nil) {
				t.Errorf("%d peers sent %d bytes each", c.Peers, r.Sent)
			}
			again := run(t, b, c)
			if !slices.Equal(again.Points, r.Points) {
				t.Errorf("a second run gives %+v, the first %+v", again.Points, r.Points)
			}
		})
	}
}

func TestSeedsDiffer(t *testing.T) {
	b := bench(t, (&fake{}).engine())
	first := run(t, b, cell(outer.FedAvg, nil))
	second := run(t, b, cell(outer.FedAvg, func(c *Cell) { c.Seed = 2 }))
	if reflect.DeepEqual(first.Points, second.Points) {
		t.Error("two seeds give equal results")
	}
}

// What is counted is what was encoded.
func TestBytesAreThePayloads(t *testing.T) {
	b := bench(t, (&fake{}).engine())
	for _, name := range []string{outer.FedAvg, outer.Bitloco, outer.DiLoCo} {
		r := run(t, b, cell(name, func(c *Cell) { c.Steps = 5 })) // three rounds, the last of one step
		if want := 3 * payload(t, b, *r.Cell.Method); r.Sent != want {
			t.Errorf("%s: %d bytes sent, three payloads are %d", name, r.Sent, want)
		}
		for i, p := range r.Points {
			if p.Tokens != uint64(p.Steps*2*16) || i > 0 && p.Sent < r.Points[i-1].Sent {
				t.Errorf("point %+v", p)
			}
		}
	}
}

// Two peers take turns in the data, each sample once, whatever is committed when.
func TestLanes(t *testing.T) {
	for _, late := range []int{0, 1} {
		f := &fake{}
		b := bench(t, f.engine())
		run(t, b, cell(outer.FedAvg, func(c *Cell) { c.Late, c.Steps = late, 6 }))
		width, seen := tiny().Model.SeqLen+1, map[string]bool{}
		for i := 0; i < len(*f.seen); i += width {
			var s strings.Builder
			for _, x := range (*f.seen)[i : i+width] {
				s.WriteByte(byte(x))
			}
			seen[s.String()] = true
		}
		if len(seen) != 2*6*2 {
			t.Errorf("%d steps late: %d different samples of %d", late, len(seen), 2*6*2)
		}
	}
}

// Rates follow what all have committed, and what a peer and as many others have done since.
func TestRatesFollowTokens(t *testing.T) {
	f := &fake{}
	b := bench(t, f.engine())
	c := cell(outer.FedAvg, func(c *Cell) { c.Steps = 24 })
	run(t, b, c)
	rates := b.rates(c)
	var want []float64
	for at := 0; at < c.Steps; at += c.H {
		for range c.Peers {
			for s := range c.H {
				want = append(want, rates.Rate(int64((at+s)*2*2*16)))
			}
		}
	}
	if !slices.Equal(*f.rates, want) || slices.Max(want) != c.Rate {
		t.Errorf("rates %v, want %v", *f.rates, want)
	}
}

// A late commit finds what was learned meanwhile, and loses none of it: the fake learns the same at any place.
func TestLateLosesNothing(t *testing.T) {
	b := bench(t, (&fake{}).engine())
	b.p.Spec.Schedule.LRFloor = 1 // a late peer's schedule lags by the commit that it does not know
	for _, method := range []string{outer.FedAvg, outer.DiLoCo} {
		var ends []float64
		for late := range 3 {
			c := cell(method, func(c *Cell) { c.Late, c.Steps, c.H = late, 8, 4 })
			c.Method.OuterLR, c.Method.Momentum = 1, 0
			r := run(t, b, c)
			ends = append(ends, r.Points[len(r.Points)-1].Loss)
		}
		if d := slices.Max(ends) - slices.Min(ends); d > 1e-6 {
			t.Errorf("%s: in time, one step late and two late it ends at %v", method, ends)
		}
	}
}

// Where the residual is in a buffer, publishing leaves the local model at the head, and the buffer with what was learned.
func TestBufferTakesWhatWasLearned(t *testing.T) {
	b := bench(t, (&fake{}).engine())
	s, err := b.prepare(cell(outer.Bitloco, func(c *Cell) { c.Method.Residual = outer.ResidualBuffer }))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.round(); err != nil {
			t.Fatal(err)
		}
		for i, p := range s.peers {
			for j, x := range p.theta {
				if d := math.Abs(float64(x - s.before[j])); d > 1e-6 {
					t.Fatalf("round %d: parameter %d of peer %d is %g off the head", s.height, j, i, d)
				}
			}
			if p.private.Buffer()[0] <= 0 {
				t.Errorf("round %d: the buffer of peer %d begins with %g", s.height, i, p.private.Buffer()[0])
			}
		}
	}
}

func TestDivergedIsAResult(t *testing.T) {
	f := &fake{fails: 3}
	b := bench(t, f.engine())
	r, err := b.Run(t.Context(), cell(outer.FedAvg, nil))
	if err != nil || !r.Diverged || len(r.Points) == 0 {
		t.Errorf("error %v, result %+v", err, r)
	}
	if _, ok := r.Loss(); ok {
		t.Error("it has a loss")
	}
}

func TestRefusals(t *testing.T) {
	b := bench(t, (&fake{}).engine())
	for name, c := range map[string]Cell{
		"no peers":        cell("", func(c *Cell) { c.Peers = 0 }),
		"no steps":        cell("", func(c *Cell) { c.Steps = 0 }),
		"no rate":         cell("", func(c *Cell) { c.Rate = 0 }),
		"no H":            cell(outer.FedAvg, func(c *Cell) { c.H = 0 }),
		"too late":        cell(outer.FedAvg, func(c *Cell) { c.Late = 3 }),
		"late allreduce":  cell(outer.AllReduce, func(c *Cell) { c.Late = 1 }),
		"optimizer":       cell(outer.FedAvg, func(c *Cell) { c.Optimizer = "adam" }),
		"no optimizer":    cell(outer.FedAvg, func(c *Cell) { c.Optimizer = optimizer.None }),
		"method":          cell(outer.FedAvg, func(c *Cell) { c.Method.OuterLR = 9 }),
		"held-out":        cell("", func(c *Cell) { c.Heldout = 1 << 20 }),
		"nothing to take": cell(outer.DisTrO, func(c *Cell) { c.Optimizer = optimizer.None }), // the fake gathers no gradients
	} {
		if r, err := b.Run(t.Context(), c); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
