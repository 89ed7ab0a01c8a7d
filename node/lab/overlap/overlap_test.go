package overlap

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestDevicesAreBusyOnHomeLinks is a row of docs/benchmarks.md, from the first step on.
func TestDevicesAreBusyOnHomeLinks(t *testing.T) {
	p := Home()
	p.Time = 40 * time.Minute
	r, err := Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	if r.Worst() < Asked {
		t.Errorf("a full-speed device was busy for %.4f of the time, want %g", r.Worst(), Asked)
	}
	if len(r.Rounds) < 8 || r.LeftOut > 0 || r.Apart > 1 {
		t.Errorf("%d rounds, %d updates left out, nodes %d heights apart", len(r.Rounds), r.LeftOut, r.Apart)
	}
	if ratio := r.Sent / r.Necessary; ratio < 1 || ratio > 1.2 {
		t.Errorf("sent %.3f times the necessary", ratio)
	}
	if h := 4 * r.Exchange / p.Step.Seconds(); float64(r.H) < 0.6*h || float64(r.H) > 1.2*h {
		t.Errorf("H is %d, four exchanges are %.0f steps", r.H, h)
	}
}

func TestEqualParametersGiveEqualResults(t *testing.T) {
	p := Home()
	p.Time = 5 * time.Minute
	a, errA := Run(t.Context(), p)
	b, errB := Run(t.Context(), p)
	if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
		t.Fatalf("%v, %v:\n%+v\n%+v", errA, errB, a, b)
	}
}

func TestValidate(t *testing.T) {
	for name, spoil := range map[string]func(*Params){
		"no nodes":     func(p *Params) { p.Nodes = 0 },
		"no bandwidth": func(p *Params) { p.Up = 0 },
		"no steps":     func(p *Params) { p.Step = 0 },
		"no time":      func(p *Params) { p.Time = 0 },
		"no model":     func(p *Params) { p.Model.Layers = 0 },
	} {
		p := Home()
		spoil(&p)
		if _, err := Run(t.Context(), p); err == nil {
			t.Errorf("%s: simulated", name)
		}
	}
}

// TestLinksShareFairly checks rates and times against sums done by hand.
func TestLinksShareFairly(t *testing.T) {
	c := &clock{}
	l := &links{clock: c, up: 100, down: 150, sent: make([]float64, 4)}
	ended := map[string]float64{}
	note := func(name string) func() { return func() { ended[name] = c.now.Seconds() } }
	// 0's uplink is shared by two; 2's downlink by one of these and one from 1.
	l.send(0, 2, 500, note("0 to 2"))
	l.send(0, 3, 500, note("0 to 3"))
	l.send(1, 2, 1000, note("1 to 2"))
	rates := []float64{l.flows[0].rate, l.flows[1].rate, l.flows[2].rate}
	if !reflect.DeepEqual(rates, []float64{50, 50, 100}) {
		t.Fatalf("rates %v, want 50, 50, 100", rates)
	}
	c.after(5*time.Second, func() { l.send(3, 2, 250, note("3 to 2")) })
	c.run(time.Minute, func() bool { return false })
	// From 5 s on three share 150 into node 2, 50 each: the late one and the two
	// of node 0 end at 10 s, when 1 to 2 has 250 left and 100 a second again.
	for name, want := range map[string]float64{"0 to 2": 10, "0 to 3": 10, "3 to 2": 10, "1 to 2": 12.5} {
		if math.Abs(ended[name]-want) > 1e-6 {
			t.Errorf("%s ended at %g s, want %g", name, ended[name], want)
		}
	}
	if l.sent[0] != 1000 || l.sent[1] != 1000 {
		t.Errorf("sent %v", l.sent)
	}
}
