package codec

import (
	"bytes"
	"slices"
	"testing"
)

// Whatever bytes come, to whichever codec: no panic; what Check accepts is subtracted and stays finite; what Check
// refuses changes nothing.
func FuzzHostileKeeper(f *testing.F) {
	cover := Cover{Total: 400, Ranges: []Range{{From: 2, To: 72, Cols: 7}, {From: 72, To: 80}, {From: 90, To: 93}, {From: 100, To: 400, Cols: 75}}}
	all := keepers(f, cover, 64, 6)
	good := seeds(f, all, cover.Total, []int{4, 44, 129}, []int{5, 16, 18, 19, 20, 24, 26, 28})
	f.Fuzz(func(t *testing.T, payload []byte) {
		kept := bytes.Clone(payload)
		src := slices.Repeat([]float32{1}, cover.Total)
		accepted := 0
		for name, c := range all {
			streamOf(c).split = 1
			checked := c.Check(payload)
			if checked == nil {
				accepted++
			}
			dst := slices.Clone(src)
			judge := func(what string, err error) {
				if (err == nil) != (checked == nil) {
					t.Fatalf("%s: check says %v, %s %v", name, checked, what, err)
				}
				unharmed(t, name, dst, checked)
			}
			terms := []Term{{payload, 4}, {good[name], -4}, {payload, .1}, {good[name], 0}, {payload, 1e-300}}
			judge("subtract", c.Subtract(dst, src, terms, nil))
			judge("subtract with bounds", c.Subtract(dst, src, terms, median))
			judge("subtract alone", c.Subtract(dst, src, terms[:1], nil))
			if o, ok := c.(*Cosine); ok {
				judge("step", o.Step(dst, src, terms, nil, .1, 1, false))
				judge("step over senders", o.Step(dst, src, terms, nil, .1, 1, true))
			}
			if !bytes.Equal(kept, payload) {
				t.Fatalf("%s: the payload was written to", name)
			}
		}
		if accepted > 1 {
			t.Fatalf("%d codecs accept the same bytes", accepted)
		}
	})
}
