package worker

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/trainer/data"
)

// island is one of n fake children.
func island(t *testing.T, n int, change func(k int, p *Params)) *Island {
	t.Helper()
	var ps []Params
	for k := range n {
		p := params(t, "fake")
		p.Exchange = filepath.Join(t.TempDir(), "exchange")
		if change != nil {
			change(k, &p)
		}
		ps = append(ps, p)
	}
	i, err := StartIsland(t.Context(), ps)
	must(t, err)
	t.Cleanup(func() { must(t, i.Close()) })
	return i
}

// reached waits until all children together have done n steps since their last reset.
func reached(t *testing.T, i *Island, n int64) Progress {
	t.Helper()
	for limit := time.After(await); ; {
		select {
		case p := <-i.Progress():
			if p.Steps >= n {
				return p
			}
		case <-i.Done():
			t.Fatalf("the island ended: %v", i.Err())
		case <-limit:
			t.Fatalf("no %d steps within %v", n, await)
		}
	}
}

// The children train on parts of one lane, and what is captured is the mean that all go on from.
func TestIslandIsOnePeer(t *testing.T) {
	for _, n := range []int{1, 3} {
		i := island(t, n, nil)
		clear(i.Vector())
		must(t, i.Load(t.Context(), 10, false))
		a := data.Assignment{Manifest: [32]byte{1}, Rank: 1, Roster: 2, CapSamples: 400}
		must(t, i.Run(t.Context(), Run{Assignment: a, Active: 2}))
		for p := reached(t, i, 5); !p.Idle; p = reached(t, i, 1) { // to the end of the lane
		}
		c, err := i.Capture(t.Context(), Capture{Reset: true})
		must(t, err)
		batch := int64(tiny().Batch)
		if want := 400 / int64(n) / batch * int64(n); c.Steps != want || c.Tokens != uint64(want*batch*16) || c.Step != 10+want {
			t.Errorf("%d children captured %+v, want %d steps", n, c, want)
		}
		if c.Position > 2*400 || c.Position < 2*400-uint64(2*n)*uint64(batch) {
			t.Errorf("%d children came to position %d of 800", n, c.Position)
		}
		mean := append([]float32(nil), i.Vector()...)
		for _, p := range i.parts {
			if _, err := p.Capture(t.Context(), Capture{}); err != nil {
				t.Fatal(err)
			}
			for j, v := range p.Vector() {
				if math.Abs(float64(v-mean[j])) > 1e-6 {
					t.Fatalf("%d children: one goes on from %g, the mean is %g", n, v, mean[j])
				}
			}
		}
		copy(i.Vector(), mean)
		for j := range i.Vector() {
			i.Vector()[j] = 1
		}
		must(t, i.Add(t.Context()))
		if _, err := i.parts[n-1].Capture(t.Context(), Capture{}); err != nil {
			t.Fatal(err)
		}
		if got := i.parts[n-1].Vector()[0]; math.Abs(float64(got-mean[0]-1)) > 1e-6 {
			t.Errorf("%d children: after adding 1 the last has %g, the mean was %g", n, got, mean[0])
		}
	}
}

// Means are weighted by what each has learned from.
func TestAverage(t *testing.T) {
	v := [][]float32{{1, 2}, {3, 6}}
	average(v, []float32{.25, .75}, false)
	if v[0][0] != 2.5 || v[0][1] != 5 || v[1][0] != 3 {
		t.Errorf("the mean is %v", v)
	}
	v = [][]float32{{1, 2}, {3, 6}}
	average(v, []float32{.25, .75}, true)
	if v[0][0] != 1.5 || v[1][0] != -.5 || v[0][1] != 3 || v[1][1] != -1 {
		t.Errorf("what they lack is %v", v)
	}
}

// An island whose child dies has ended, and says which.
func TestIslandEndsWithAChild(t *testing.T) {
	i := island(t, 2, nil)
	i.parts[1].Kill(errStopped)
	select {
	case <-i.Done():
	case <-time.After(await):
		t.Fatal("it goes on")
	}
	if err := i.Err(); err == nil || !strings.Contains(err.Error(), "device 2 of 2") {
		t.Errorf("it says %v", err)
	}
}

func TestIslandRefusals(t *testing.T) {
	if _, err := StartIsland(t.Context(), nil); err == nil {
		t.Error("an island without a device was started")
	}
	p := params(t, "fake")
	p.Spec.Data, p.Spec.Folder = DataPrivate, t.TempDir()
	if _, err := StartIsland(t.Context(), []Params{p, p}); err == nil || !strings.Contains(err.Error(), "one device") {
		t.Errorf("private data on two devices: %v", err)
	}
}
