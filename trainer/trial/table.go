package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// TableParams are what a table is made of.
type TableParams struct {
	Lines   []Line
	Steps   int
	Batch   int
	Heldout int    // tokens of the held-out part that are measured
	Seeds   uint64 // of lines that a claim rests on; the others have one
	Tune    int    // steps of the trials that choose each line's learning rate; 0: it is the line's own
}

// Validate says what is wrong with p.
func (p TableParams) Validate() error {
	switch {
	case len(p.Lines) == 0:
		return errors.New("a table needs lines")
	case p.Tune < 0 || p.Tune > p.Steps:
		return fmt.Errorf("learning rates chosen in %d steps: it must be 0 (not at all) to all %d", p.Tune, p.Steps)
	case p.Seeds < 1 || p.Seeds > 100:
		return fmt.Errorf("%d seeds: 1 to 100 can be run", p.Seeds)
	}
	for _, l := range p.Lines {
		if !slices.Contains(rates[:], l.Rate) {
			return fmt.Errorf("line %s begins at a learning rate of %g, which is not one of %v", l.Name, l.Rate, rates)
		}
		if err := l.cell(p, l.Rate, p.Steps, 1).Validate(); err != nil {
			return fmt.Errorf("line %s: %w", l.Name, err)
		}
	}
	return nil
}

// table is one in the making.
type table struct {
	TableParams
	store *Store
	run   func(context.Context, Cell) (Result, error)
}

// Make runs all cells that the store does not have, and returns a row for each line. run does a trial, as Bench.Run.
func Make(ctx context.Context, p TableParams, store *Store, run func(context.Context, Cell) (Result, error)) ([]Row, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	t := table{p, store, run}
	var rows []Row
	for _, l := range p.Lines {
		row, err := t.row(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("line %s: %w", l.Name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (t table) row(ctx context.Context, l Line) (Row, error) {
	row := Row{Name: l.Name, Title: l.Title, Like: l.Like, Optimizer: l.Optimizer, H: l.H, Late: l.Late, Peers: l.Peers, Rate: l.Rate}
	if t.Tune > 0 {
		tried, err := t.tune(ctx, l.tuned())
		if err != nil {
			return row, err
		}
		row.Rate = slices.MinFunc(tried, Tried.compare).Rate
		if l.Like == "" {
			row.Tried = tried
		}
	}
	seeds := uint64(1)
	if l.Claimed {
		seeds = t.Seeds
	}
	for seed := range seeds {
		r, err := t.cell(ctx, l.cell(t.TableParams, row.Rate, t.Steps, seed+1))
		if err != nil {
			return row, err
		}
		row.Results = append(row.Results, r)
	}
	return row, nil
}

// cell finds a result, or runs the trial.
func (t table) cell(ctx context.Context, c Cell) (Result, error) {
	if r, ok := t.store.Find(c); ok {
		return r, nil
	}
	r, err := t.run(ctx, c)
	if err != nil {
		return r, err
	}
	return r, t.store.Add(r)
}

// Tried is a learning rate and what it gave in a short trial.
type Tried struct {
	Rate     float64 `json:"rate"`
	Loss     float64 `json:"loss"`
	Diverged bool    `json:"diverged,omitempty"`
}

// compare orders by loss, those that diverged last.
func (t Tried) compare(o Tried) int {
	switch {
	case t.Diverged && !o.Diverged:
		return 1
	case o.Diverged && !t.Diverged:
		return -1
	}
	return cmp.Compare(t.Loss, o.Loss)
}

// tune tries, on the first steps of the whole schedule, the line's learning rate and both beside it, and goes on past
// whichever end is the best so far. What it tried rises. A short schedule of its own would choose rates that are too
// high: for a lone Muon node 16e-3, which ends 0.05 nats above 4e-3 after 600 steps; the first 150 of 600 chose 8e-3, 0.01 above.
func (t table) tune(ctx context.Context, l Line) ([]Tried, error) {
	lo := slices.Index(rates[:], l.Rate)
	var tried []Tried
	try := func(i int) error {
		r, err := t.cell(ctx, l.cell(t.TableParams, rates[i], t.Tune, 1))
		loss, ok := r.Loss()
		tried = append(tried, Tried{Rate: rates[i], Loss: loss, Diverged: !ok})
		slices.SortFunc(tried, func(a, b Tried) int { return cmp.Compare(a.Rate, b.Rate) })
		return err
	}
	err := try(lo)
	for err == nil {
		best, hi := slices.MinFunc(tried, Tried.compare).Rate, lo+len(tried)
		switch {
		case best == tried[0].Rate && lo > 0:
			lo--
			err = try(lo)
		case best == tried[len(tried)-1].Rate && hi < len(rates):
			err = try(hi)
		default:
			return tried, nil
		}
	}
	return nil, err
}
