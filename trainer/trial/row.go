package trial

import (
	"cmp"
	"slices"
)

// Row is what one line gave.
type Row struct {
	Name      string   `json:"name"`
	Title     string   `json:"title"`
	Like      string   `json:"like,omitempty"`
	Optimizer string   `json:"optimizer"`
	H         int      `json:"h,omitempty"`
	Late      int      `json:"late,omitempty"`
	Peers     int      `json:"peers"`
	Rate      float64  `json:"rate"`
	Tried     []Tried  `json:"tried,omitempty"` // learning rates, rising
	Results   []Result `json:"results"`         // one a seed
}

// losses at the end, by seed; ok is false where one diverged.
func (r Row) losses() (ls []float64, ok bool) {
	for _, x := range r.Results {
		l, ok := x.Loss()
		if !ok {
			return nil, false
		}
		ls = append(ls, l)
	}
	return ls, len(ls) > 0
}

// Loss is the mean held-out loss over seeds, and half of what lies between the lowest and the highest.
func (r Row) Loss() (mean, spread float64, ok bool) {
	ls, ok := r.losses()
	if !ok {
		return 0, 0, false
	}
	return average(ls), (slices.Max(ls) - slices.Min(ls)) / 2, true
}

// above is by how much the row's losses are above another's, seed by seed.
func (r Row) above(o Row) (by []float64) {
	ours, _ := r.losses()
	theirs, _ := o.losses()
	for i := range min(len(ours), len(theirs)) {
		by = append(by, ours[i]-theirs[i])
	}
	return by
}

// steps that were done; of a trial that diverged there may be none.
func (x Result) steps() int {
	if n := len(x.Points); n > 0 {
		return x.Points[n-1].Steps
	}
	return 0
}

// Sent is the payload bytes that a peer published in all, the mean over seeds.
func (r Row) Sent() float64 {
	var all []float64
	for _, x := range r.Results {
		all = append(all, float64(x.Sent))
	}
	return average(all)
}

// PerStep is the payload bytes of a peer for each of its inner steps.
func (r Row) PerStep() float64 {
	if len(r.Results) == 0 || r.Results[0].steps() == 0 {
		return 0
	}
	return r.Sent() / float64(r.Results[0].steps())
}

// Reduction is how many times more a dense fp32 gradient in each step would be; 0 where nothing was sent.
func (r Row) Reduction(params int) float64 {
	if r.PerStep() == 0 {
		return 0
	}
	return 4 * float64(params) / r.PerStep()
}

// Host is the payload bytes that pass a node's network interface, in and out, where each sends its own to each other.
func (r Row) Host() float64 { return 2 * float64(r.Peers-1) * r.Sent() }

// Seconds of a trial, the mean over seeds.
func (r Row) Seconds() float64 {
	var all []float64
	for _, x := range r.Results {
		all = append(all, x.Seconds)
	}
	return average(all)
}

// curve is the mean of the seeds' points.
func (r Row) curve() []Point {
	if len(r.Results) == 0 {
		return nil
	}
	mean := slices.Clone(r.Results[0].Points)
	for _, x := range r.Results[1:] {
		mean = mean[:min(len(mean), len(x.Points))]
		for i := range mean {
			mean[i].Loss += x.Points[i].Loss
		}
	}
	for i := range mean {
		mean[i].Loss /= float64(len(r.Results))
	}
	return mean
}

// lowest is the point of the curve where the loss was lowest; ok is false where that is the last.
func (r Row) lowest() (p Point, ok bool) {
	c := r.curve()
	if len(c) == 0 {
		return p, false
	}
	p = slices.MinFunc(c, func(a, b Point) int { return cmp.Compare(a.Loss, b.Loss) })
	return p, p.Steps != c[len(c)-1].Steps
}

func average(of []float64) (mean float64) {
	for _, x := range of {
		mean += x / float64(len(of))
	}
	return mean
}
