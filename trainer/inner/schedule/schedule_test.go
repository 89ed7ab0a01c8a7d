package schedule

import (
	"math"
	"testing"
)

func TestScheduleRate(t *testing.T) {
	cosine := Schedule{Kind: Cosine, LR: .2, LRFloor: .1, WarmupTokens: 100, TotalTokens: 1100, DecayFrom: .8}
	wsd := Schedule{Kind: WSD, LR: .2, LRFloor: .1, WarmupTokens: 100, TotalTokens: 1100, DecayFrom: .5}
	constant := Schedule{Kind: Constant, LR: .2, WarmupTokens: 100, TotalTokens: 1100, DecayFrom: .8}
	never := Schedule{Kind: WSD, LR: .2, TotalTokens: 1000, DecayFrom: .9999}
	for _, test := range []struct {
		name     string
		schedule Schedule
		at       int64
		want     float64
	}{
		{"cosine starts at the floor", cosine, 0, .02},
		{"cosine in warm-up", cosine, 50, .11},
		{"cosine at its peak", cosine, 100, .2},
		{"cosine at a quarter", cosine, 350, .2 * (.1 + .9*(1+math.Sqrt(.5))/2)},
		{"cosine half-way", cosine, 600, .11},
		{"cosine at its end", cosine, 1100, .02},
		{"cosine past its end", cosine, 1 << 62, .02},
		{"wsd in warm-up", wsd, 50, .11},
		{"wsd stable", wsd, 549, .2},
		{"wsd where decay begins", wsd, 550, .2},
		{"wsd half decayed", wsd, 825, .11},
		{"wsd at its end", wsd, 1100, .02},
		{"wsd past its end", wsd, 5000, .02},
		{"wsd without decay", never, 999, .2},
		{"wsd without decay, ended", never, 1000, 0},
		{"constant in warm-up", constant, 25, .05},
		{"constant", constant, 1 << 62, .2},
		{"before the first token", constant, -5, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.schedule.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := test.schedule.Rate(test.at); math.Abs(got-test.want) > 1e-13 {
				t.Errorf("rate at %d is %g, want %g", test.at, got, test.want)
			}
		})
	}
}

func TestScheduleValidate(t *testing.T) {
	good := Schedule{Kind: WSD, LR: .1, LRFloor: .1, WarmupTokens: 5, TotalTokens: 10, DecayFrom: .6}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Schedule){
		"kind":             func(s *Schedule) { s.Kind = "linear" },
		"rate":             func(s *Schedule) { s.LR = 0 },
		"rate too high":    func(s *Schedule) { s.LR = 1 },
		"rate unknown":     func(s *Schedule) { s.LR = math.NaN() },
		"floor":            func(s *Schedule) { s.LRFloor = 2 },
		"warm-up":          func(s *Schedule) { s.Kind, s.WarmupTokens = Constant, 10 },
		"no total":         func(s *Schedule) { s.Kind, s.WarmupTokens, s.TotalTokens = Constant, 0, 0 },
		"total":            func(s *Schedule) { s.Kind, s.TotalTokens = Cosine, 5 },
		"total too far":    func(s *Schedule) { s.TotalTokens = 1 << 50 },
		"decay":            func(s *Schedule) { s.DecayFrom = math.NaN() },
		"no decay":         func(s *Schedule) { s.Kind, s.DecayFrom = Cosine, 0 },
		"decay at the end": func(s *Schedule) { s.DecayFrom = 1 },
		"decay too far":    func(s *Schedule) { s.DecayFrom = .2 },
	} {
		bad := good
		spoil(&bad)
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
	cosine := Schedule{Kind: Cosine, LR: 4e-3, LRFloor: .1, WarmupTokens: 51200, TotalTokens: 614400}
	wsd := Schedule{Kind: WSD, LR: 3e-4, LRFloor: .07, WarmupTokens: 1000, TotalTokens: 1_000_003, DecayFrom: .83}
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
