package codec

import "fmt"

// Cover says which parameters of a flat vector a codec is for. What lies outside its ranges is neither sent nor changed.
type Cover struct {
	Total  int // length of the flat vector
	Ranges []Range
}

// Range is one tensor's parameters in the flat vector. Ranges ascend and do not overlap.
type Range struct {
	From, To int
	Cols     int // length of a row of a matrix; 0 for a tensor of one dimension
}

// Whole covers all of a vector made of tensors of these sizes, in order.
func Whole(sizes []int) Cover {
	var c Cover
	for _, size := range sizes {
		c.Ranges = append(c.Ranges, Range{From: c.Total, To: c.Total + size})
		c.Total += size
	}
	return c
}

// check says whether the ranges are in order, not empty, within the vector and made of whole rows.
func (c Cover) check() error {
	if len(c.Ranges) == 0 {
		return fmt.Errorf("no tensors")
	}
	at := 0
	for t, r := range c.Ranges {
		if r.From < at || r.To <= r.From || r.To > c.Total {
			return fmt.Errorf("tensor %d has parameters %d to %d: it must hold at least one, begin at %d or above and end at %d or below",
				t, r.From, r.To, at, c.Total)
		}
		if r.Cols < 0 || r.Cols > 0 && (r.To-r.From)%r.Cols != 0 {
			return fmt.Errorf("tensor %d has %d parameters: not whole rows of %d", t, r.To-r.From, r.Cols)
		}
		at = r.To
	}
	return nil
}
