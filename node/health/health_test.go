package health

import (
	"slices"
	"testing"
	"time"
)

var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// well is a node that nothing is wrong with.
func well() Facts {
	return Facts{Training: true, Direct: 3, Waited: 5 * time.Second, Usual: 30 * time.Second, Loss: 2, SwarmLoss: 2.1}
}

func jumped(ago time.Duration) func(*Facts) {
	return func(f *Facts) { f.Jump, f.JumpHeight, f.JumpAgo = 5e4, 812, ago }
}

// TestConditions has something happen to a node that is well, says when it must show, and
// that it is gone when the node is well again.
func TestConditions(t *testing.T) {
	for _, tc := range []struct {
		id     string
		wrong  func(*Facts)
		after  time.Duration
		absent func(*Facts) // something like it that is no condition
	}{
		{"refused", func(f *Facts) { f.Direct, f.Refusal = 0, "ask one of them for an invite" }, 0, nil},
		{"alone", func(f *Facts) { f.Direct = 0 }, time.Minute, func(f *Facts) { f.Direct, f.Resting = 0, true }},
		{"alone", func(f *Facts) { f.Direct = 0 }, time.Minute, func(f *Facts) { f.Direct, f.Seeds = 0, 1 }},
		{"relayed", func(f *Facts) { f.Direct, f.Relayed, f.Seeds = 0, 2, 1 }, time.Minute, func(f *Facts) { f.Relayed = 2 }},
		{"unreachable", func(f *Facts) { f.Unreachable = true }, 5 * time.Minute, nil},
		{"no-commit", func(f *Facts) { f.Waited = 91 * time.Second }, 0, func(f *Facts) { f.Waited = 89 * time.Second }},
		{"no-commit", func(f *Facts) { f.Waited, f.Usual = 31*time.Second, time.Second }, 0, func(f *Facts) { f.Waited, f.Usual = 29*time.Second, time.Second }},
		{"diverged", func(f *Facts) { f.Loss = 3.2 }, time.Minute, func(f *Facts) { f.Loss = 3 }},
		{"two-machines", func(f *Facts) { f.Twice = true }, 0, func(f *Facts) { f.Twice, f.TwiceAgo = true, 10*time.Minute }},
		{"left-out", func(f *Facts) { f.LeftOut = 5 }, 0, func(f *Facts) { f.LeftOut = 4 }},
		{"disk", func(f *Facts) { f.DiskWhy = "no space" }, 0, nil},
		{"trainer", func(f *Facts) { f.Restarts, f.TrainerWhy = 3, "it was killed" }, 0, func(f *Facts) { f.Restarts = 3 }},
		{"clock", func(f *Facts) { f.ClockAhead = 31 * time.Second }, time.Minute, func(f *Facts) { f.ClockAhead = -29 * time.Second }},
		{"clock", func(f *Facts) { f.ClockAhead = -time.Hour }, time.Minute, nil},
		{"model-jumped", jumped(0), 0, jumped(24 * time.Hour)},
		{"model-jumped", jumped(24*time.Hour - 1), 0, nil},
		{"version", func(f *Facts) { f.Outdated = "needs murmur 9" }, 0, nil},
	} {
		t.Run(tc.id, func(t *testing.T) {
			var r Registry
			at := func(d time.Duration, change func(*Facts)) []string {
				f := well()
				f.Now = began.Add(d)
				if change != nil {
					change(&f)
				}
				var ids []string
				for _, c := range r.Check(f) {
					if c.Text == "" || c.Do == "" || c.Severity == "" || c.Since != began.Add(time.Hour) {
						t.Errorf("%+v", c)
					}
					ids = append(ids, c.ID)
				}
				return ids
			}
			if ids := at(0, nil); len(ids) > 0 {
				t.Fatalf("a node that is well has %v", ids)
			}
			if ids := at(time.Minute, tc.absent); slices.Contains(ids, tc.id) {
				t.Errorf("it shows too early: %v", ids)
			}
			at(59*time.Minute, nil)
			if ids := at(time.Hour, tc.wrong); slices.Contains(ids, tc.id) != (tc.after == 0) {
				t.Errorf("at first: %v", ids)
			}
			if ids := at(time.Hour+tc.after, tc.wrong); !slices.Equal(ids, []string{tc.id}) {
				t.Errorf("after %v: %v", tc.after, ids)
			}
			if ids := at(2*time.Hour, nil); len(ids) > 0 {
				t.Errorf("well again: %v", ids)
			}
		})
	}
}
