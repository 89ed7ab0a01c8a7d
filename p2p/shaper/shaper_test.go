package shaper

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sent counts what each peer was handed, in steps of a tenth of a second.
type sent struct {
	mu    sync.Mutex
	bytes map[string]int
	by    [600]int
	began time.Time
}

func (c *sent) add(peer string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes[peer] += n
	c.by[time.Since(c.began)/(100*time.Millisecond)] += n
}

func (c *sent) of(peer string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes[peer]
}

// worst is the most that went in a span, against the rate.
func (c *sent) worst(from, to, span time.Duration, rate float64) float64 {
	const step = 100 * time.Millisecond
	var worst float64
	for i := from / step; i+span/step <= to/step; i++ {
		var n int
		for _, b := range c.by[i : i+span/step] {
			n += b
		}
		worst = max(worst, float64(n)/(rate*span.Seconds()))
	}
	return worst
}

const chunk = 16 << 10

// ask has a peer take all that it can get until ctx ends.
func ask(ctx context.Context, s *Shaper, c *sent, class Class, peer string) {
	for s.Wait(ctx, class, peer, chunk) == nil {
		c.add(peer, chunk)
	}
}

func TestRateOverAnyTenSeconds(t *testing.T) {
	const rate = 5e6 / 8
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		var s Shaper
		s.SetRate(rate)
		c := &sent{bytes: map[string]int{}, began: time.Now()}
		var wg sync.WaitGroup
		for _, p := range []string{"a", "b", "c"} {
			wg.Go(func() { ask(ctx, &s, c, Bulk, p) })
		}
		wg.Go(func() { // what cannot wait: a tenth of the rate
			for range 400 {
				time.Sleep(100 * time.Millisecond)
				s.Charge(rate / 100)
				c.add("unasked", int(rate/100))
			}
		})
		wg.Wait()
		total := 0
		for _, n := range c.bytes {
			total += n
		}
		if off := float64(total) / (40 * rate); off < 0.98 || off > 1.02 {
			t.Errorf("%.3f of the rate went", off)
		}
		if w := c.worst(0, 40*time.Second, 10*time.Second, rate); w > 1.05 {
			t.Errorf("in some 10 s %.3f of the rate went", w)
		}
		for _, p := range []string{"a", "b", "c"} {
			if share := float64(c.bytes[p]) / float64(c.bytes["a"]); math.Abs(share-1) > 0.02 {
				t.Errorf("%s had %.3f of what a had", p, share)
			}
		}
	})
}

func TestRoundsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var s Shaper
		s.SetRate(1e6)
		c := &sent{bytes: map[string]int{}, began: time.Now()}
		var wg sync.WaitGroup
		wg.Go(func() { ask(ctx, &s, c, Bulk, "joiner") })
		for range 2 { // one of the member's portions waits always
			wg.Go(func() { ask(ctx, &s, c, Round, "member") })
		}
		wg.Wait()
		if c.bytes["joiner"] > c.bytes["member"]/20 {
			t.Errorf("bulk took %d bytes, the round %d", c.bytes["joiner"], c.bytes["member"])
		}
	})
}

func TestChangeCountsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var s Shaper
		s.SetRate(1e5)
		c := &sent{bytes: map[string]int{}, began: time.Now()}
		var wg sync.WaitGroup
		wg.Go(func() { ask(ctx, &s, c, Round, "a") })
		time.Sleep(10 * time.Second)
		before := c.of("a")
		s.SetRate(1e6)
		time.Sleep(time.Second)
		if got := c.of("a") - before; got < 9e5 || got > 12e5 {
			t.Errorf("%d bytes in the second after the change, want about 1e6", got)
		}
		s.SetRate(2e4)
		before = c.of("a")
		time.Sleep(10 * time.Second)
		if got := c.of("a") - before; got > 2.4e5 {
			t.Errorf("%d bytes in ten seconds at 2e4 a second", got)
		}
		cancel()
		wg.Wait()
	})
}

func TestNoLimitAndEnd(t *testing.T) {
	var s Shaper
	if err := s.Wait(t.Context(), Bulk, "a", 1<<30); err != nil {
		t.Fatal(err)
	}
	s.SetRate(1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_ = s.Wait(ctx, Bulk, "a", 100) // overdraws
	if err := s.Wait(ctx, Bulk, "a", 100); err == nil {
		t.Error("a second portion went at once at a byte a second")
	}
	if s.waits() {
		t.Error("what nobody waits for is in the queue")
	}
	s.SetRate(0)
	if err := s.Wait(t.Context(), Round, "b", 100); err != nil {
		t.Error(err)
	}
}
