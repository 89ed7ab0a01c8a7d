// The pure-Go backend of compute v0.1.6 moves a pointer past the end of its slice (matmul/nosimd_small_transposed.go:108),
// which the checks that come with -race refuse.
//go:build !race

package worker

import (
	"math"
	"slices"
	"testing"
	"time"

	_ "github.com/gomlx/compute/gobackend" // the child's device

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/eval"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/writer"
)

// A real model in a real child: it learns, and one that continues from a capture ends at the same bits as one that was
// never interrupted.
func TestGoMLXLearnsAndResumes(t *testing.T) {
	const lane = 60 // steps until the lane ends
	ctx := t.Context()
	first := start(t, params(t, "gomlx"))
	spec := tiny()
	copy(first.Vector(), model.Init(spec.Model, [32]byte{9}))
	must(t, first.Load(ctx, 0, false))
	run := Run{Assignment: data.Assignment{Roster: 1, CapSamples: lane * uint64(spec.Batch)}, Active: 1}
	must(t, first.Run(ctx, run))
	begin := steps(t, first, 1)
	if math.Abs(begin.Loss-math.Log(256)) > 0.3 {
		t.Errorf("the loss begins at %v, want about ln 256", begin.Loss)
	}
	must(t, first.Pause(ctx))
	half, err := first.Capture(ctx, Capture{Moments: true})
	must(t, err)
	m, v := first.Moments()
	theta, m, v := slices.Clone(first.Vector()), slices.Clone(m), slices.Clone(v)
	before, err := first.Heldout(ctx)
	must(t, err)

	must(t, first.Run(ctx, run))
	idle(t, first)
	whole, err := first.Capture(ctx, Capture{Moments: true})
	must(t, err)
	after, err := first.Heldout(ctx)
	must(t, err)
	if whole.Step != lane || whole.Position != lane*uint64(spec.Batch) {
		t.Errorf("the lane ends at %+v", whole)
	}
	if half.Step >= lane || after > before-0.5 {
		t.Errorf("held-out loss from %v after %d steps to %v after %d", before, half.Step, after, whole.Step)
	}
	var text string
	must(t, first.Generate(ctx, writer.Request{Prompt: "Light ", N: 5, Sampling: eval.Sampling{Temperature: .5, Seed: 1}}, func(s string) { text += s }))
	if len(text) < 5 {
		t.Errorf("5 tokens are %q", text)
	}

	second := start(t, params(t, "gomlx"))
	copy(second.Vector(), theta)
	m2, v2 := second.Moments()
	copy(m2, m)
	copy(v2, v)
	must(t, second.Load(ctx, half.Step, true))
	run.Assignment.Cursor, run.Committed = half.Position, half.Tokens // where the first paused, up to the same end
	run.Assignment.CapSamples -= half.Position
	must(t, second.Run(ctx, run))
	idle(t, second)
	again, err := second.Capture(ctx, Capture{Moments: true})
	must(t, err)
	if again.Step != lane || again.Steps != lane-half.Steps || again.Position != whole.Position {
		t.Errorf("resumed to %+v, uninterrupted %+v", again, whole)
	}
	m, v = first.Moments()
	m2, v2 = second.Moments()
	for name, pair := range map[string][2][]float32{"θ": {first.Vector(), second.Vector()}, "m": {m, m2}, "v": {v, v2}} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s differs from the uninterrupted run's", name)
		}
	}
}

// idle waits until the child has come to the end of its lane.
func idle(t *testing.T, p *Process) {
	t.Helper()
	late := time.After(4 * await) // pure Go under the race detector is slow
	for {
		select {
		case got := <-p.Progress():
			if got.Idle {
				return
			}
		case <-p.Done():
			t.Fatalf("the trainer ended: %v", p.Err())
		case <-late:
			t.Fatal("the lane does not end")
		}
	}
}
