package schedule

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

func TestCosine(t *testing.T) {
	var worst float64
	const n = 1 << 16
	for i := range n + 1 {
		x := float64(i) / n
		worst = max(worst, math.Abs(cosPi(x)-math.Cos(math.Pi*x)))
	}
	t.Logf("largest difference %.2g", worst)
	if !(worst <= 5e-16) {
		t.Errorf("differs from math.Cos by up to %g, want at most 5e-16", worst)
	}
	for x, want := range map[float64]float64{0: 1, .5: 0, 1: -1} {
		if got := cosPi(x); got != want {
			t.Errorf("cosine of %gπ is %v, want %v", x, got, want)
		}
	}
}

// The same bits on every processor.
func TestRateBits(t *testing.T) {
	cosine := Schedule{Kind: Cosine, Peak: 4e-3, Floor: .1, Warmup: 51200, Total: 614400}
	wsd := Schedule{Kind: WSD, Peak: 3e-4, Floor: .07, Warmup: 1000, Total: 1_000_003, DecayFrom: .83}
	for _, test := range []struct {
		schedule Schedule
		at       int64
		want     uint64
	}{
		{cosine, 12345, 0x3f54c669057d1783},
		{cosine, 51201, 0x3f70624dd2f12bde},
		{cosine, 123456, 0x3f6f961ed95483d9},
		{cosine, 234567, 0x3f69b439ed8325bc},
		{cosine, 345678, 0x3f60f6ccbf181a8d},
		{cosine, 456789, 0x3f513c523a70771d},
		{cosine, 567890, 0x3f3e2984366329b5},
		{cosine, 614399, 0x3f3a36e2eb242511},
		{wsd, 333, 0x3f1ddc2b5bf0b907},
		{wsd, 900_001, 0x3f28439c7226e2c0},
		{wsd, 999_999, 0x3ef606e8221d0d44},
	} {
		if got := math.Float64bits(test.schedule.Rate(test.at)); got != test.want {
			t.Errorf("rate of %s at %d has the bits %#x, want %#x", test.schedule.Kind, test.at, got, test.want)
		}
	}
	// And all of a run, as a sum that any changed bit changes.
	var sum uint64
	for at := int64(0); at < 620_000; at += 7 {
		sum = sum*0x100000001b3 ^ math.Float64bits(cosine.Rate(at))
	}
	if want := uint64(0x2ccde33afd39f2e1); sum != want {
		t.Errorf("a run's rates have the sum %#x, want %#x", sum, want)
	}
}
