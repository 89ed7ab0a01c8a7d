package codec

import (
	"math"
	"slices"
	"testing"
)

func TestGridRefuses(t *testing.T) {
	ranges := func(total int, r ...Range) Cover { return Cover{Total: total, Ranges: r} }
	for name, bad := range map[string]struct {
		cover Cover
		chunk int
	}{
		"nothing":             {Cover{Total: 8}, 8},
		"an empty tensor":     {Whole([]int{8, 0}), 8},
		"a negative size":     {Whole([]int{8, -1}), 8},
		"no chunk":            {Whole([]int{8}), 0},
		"chunk of half bytes": {Whole([]int{8}), 12},
		"a long chunk":        {Whole([]int{8}), maxChunk + 8},
		"overflow":            {Whole([]int{8, math.MaxInt}), maxChunk},
		"too many chunks":     {Whole([]int{8 * maxChunks, 1}), 8},
		"overlap":             {ranges(20, Range{From: 0, To: 10}, Range{From: 9, To: 12}), 8},
		"descending":          {ranges(20, Range{From: 10, To: 20}, Range{From: 0, To: 5}), 8},
		"beyond the vector":   {ranges(20, Range{From: 10, To: 21}), 8},
		"before the vector":   {ranges(20, Range{From: -1, To: 5}), 8},
		"negative rows":       {ranges(20, Range{From: 0, To: 8, Cols: -4}), 8},
		"a broken row":        {ranges(20, Range{From: 0, To: 10, Cols: 4}), 8},
	} {
		if _, err := newGrid(bad.cover, bad.chunk); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := NewOneBit(bad.cover, bad.chunk); err == nil {
			t.Errorf("%s: one bit accepted it", name)
		}
		if _, err := NewTwoBit(bad.cover, bad.chunk); err == nil {
			t.Errorf("%s: two bits accepted it", name)
		}
		if _, err := NewValues(bad.cover, bad.chunk, FP32); err == nil {
			t.Errorf("%s: values accepted it", name)
		}
	}
	if _, err := NewValues(Whole([]int{8}), 8, 7); err == nil {
		t.Error("a format of 7 bits was accepted")
	}
}

func TestGridCutsTensors(t *testing.T) {
	g, err := newGrid(Cover{Total: math.MaxInt, Ranges: []Range{{From: 3, To: 23, Cols: 5}, {From: math.MaxInt - 9, To: math.MaxInt}}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.start, []int{3, 11, 19, math.MaxInt - 9, math.MaxInt - 1}) ||
		!slices.Equal(g.end, []int{11, 19, 23, math.MaxInt - 1, math.MaxInt}) ||
		!slices.Equal(g.tensor, []int32{0, 0, 0, 1, 1}) || g.params != 29 {
		t.Fatalf("%+v", g)
	}
}
