package inner

import (
	"math"
	"testing"
)

func TestScheduleRate(t *testing.T) {
	cosine := Schedule{Kind: Cosine, Peak: 2, Floor: .1, Warmup: 100, Total: 1100}
	wsd := Schedule{Kind: WSD, Peak: 2, Floor: .1, Warmup: 100, Total: 1100, DecayFrom: .5}
	constant := Schedule{Kind: Constant, Peak: 2, Warmup: 100}
	never := Schedule{Kind: WSD, Peak: 2, Total: 1000, DecayFrom: 1}
	for _, test := range []struct {
		name     string
		schedule Schedule
		at       int64
		want     float64
	}{
		{"cosine starts at the floor", cosine, 0, .2},
		{"cosine in warm-up", cosine, 50, 1.1},
		{"cosine at its peak", cosine, 100, 2},
		{"cosine at a quarter", cosine, 350, 2 * (.1 + .9*(1+math.Sqrt(.5))/2)},
		{"cosine half-way", cosine, 600, 1.1},
		{"cosine at its end", cosine, 1100, .2},
		{"cosine past its end", cosine, 1 << 62, .2},
		{"wsd in warm-up", wsd, 50, 1.1},
		{"wsd stable", wsd, 549, 2},
		{"wsd where decay begins", wsd, 550, 2},
		{"wsd half decayed", wsd, 825, 1.1},
		{"wsd at its end", wsd, 1100, .2},
		{"wsd past its end", wsd, 5000, .2},
		{"wsd without decay", never, 999, 2},
		{"wsd without decay, ended", never, 1000, 0},
		{"constant in warm-up", constant, 25, .5},
		{"constant", constant, 1 << 62, 2},
		{"before the first token", constant, -5, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.schedule.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := test.schedule.Rate(test.at); math.Abs(got-test.want) > 1e-12 {
				t.Errorf("rate at %d is %g, want %g", test.at, got, test.want)
			}
		})
	}
}

func TestScheduleValidate(t *testing.T) {
	for name, bad := range map[string]Schedule{
		"kind":          {Kind: "linear", Peak: 1, Total: 10},
		"peak":          {Kind: Constant},
		"floor":         {Kind: Constant, Peak: 1, Floor: 2},
		"warm-up":       {Kind: Constant, Peak: 1, Warmup: -1},
		"total":         {Kind: Cosine, Peak: 1, Warmup: 10, Total: 10},
		"decay":         {Kind: WSD, Peak: 1, Total: 10, DecayFrom: math.NaN()},
		"decay too far": {Kind: WSD, Peak: 1, Total: 10, Warmup: 5, DecayFrom: .2},
	} {
		if bad.Validate() == nil {
			t.Errorf("%s: %+v is valid", name, bad)
		}
	}
}
