package simtest

import (
	"math"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// socket listens on node i's line without any libp2p.
func socket(t *testing.T, s *Swarm, i int) net.PacketConn {
	t.Helper()
	c := s.listen(i, net.UDPAddrFromAddrPort(addrPort(i)))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// receive counts packets until none comes for a second.
func receive(t *testing.T, c net.PacketConn) (count int, last time.Time) {
	t.Helper()
	buf := make([]byte, 2000)
	last = time.Now()
	for {
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadFrom(buf); err != nil {
			return count, last
		}
		count, last = count+1, time.Now()
	}
}

func send(t *testing.T, from net.PacketConn, to int, count, size int) {
	t.Helper()
	for range count {
		if _, err := from.WriteTo(make([]byte, size), net.UDPAddrFromAddrPort(addrPort(to))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDelayAndRate(t *testing.T) {
	link := func(i int) Link {
		return []Link{
			{Up: 1_000_000, Down: 100_000_000, Delay: 10 * time.Millisecond},
			{Up: 100_000_000, Down: 100_000_000, Delay: 20 * time.Millisecond},
			{Up: 100_000_000, Down: 500_000, Delay: 20 * time.Millisecond},
		}[i]
	}
	for name, c := range map[string]struct {
		from, to, count int
		want            time.Duration
	}{
		"one packet":    {from: 1, to: 0, count: 1, want: 30 * time.Millisecond},
		"slow uplink":   {from: 0, to: 1, count: 10, want: 30*time.Millisecond + 9*8*time.Millisecond},
		"slow downlink": {from: 1, to: 2, count: 5, want: 40*time.Millisecond + 4*16*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			Run(t, Params{Link: link}, func(t *testing.T, s *Swarm) {
				from, to := socket(t, s, c.from), socket(t, s, c.to)
				began := time.Now()
				send(t, from, c.to, c.count, 1000)
				count, last := receive(t, to)
				// A link lets 1500 bytes through at once.
				if got := last.Sub(began); count != c.count || got < c.want-13*time.Millisecond || got > c.want+time.Millisecond {
					t.Errorf("%d of %d packets, the last after %v, want about %v", count, c.count, got, c.want)
				}
			})
		})
	}
}

func TestLoss(t *testing.T) {
	const sent = 2000
	lossy := func(i int) Link {
		l := Home()
		if i == 0 {
			l.Loss = 0.05
		}
		return l
	}
	came := func(seed uint64) (count int) {
		Run(t, Params{Link: lossy, Seed: seed}, func(t *testing.T, s *Swarm) {
			a, b := socket(t, s, 0), socket(t, s, 1)
			got := make(chan int)
			go func() { n, _ := receive(t, b); got <- n }()
			for range sent {
				send(t, a, 1, 1, 100)
				time.Sleep(time.Millisecond)
			}
			count = <-got
		})
		return count
	}
	one, again := came(1), came(1)
	if one != again {
		t.Errorf("%d and %d packets came with the same seed", one, again)
	}
	if lost := float64(sent-one) / sent; math.Abs(lost-0.05) > 0.02 {
		t.Errorf("%.3f of the packets got lost, want 0.05", lost)
	}
}

func TestSplitAndUnplug(t *testing.T) {
	Run(t, Params{}, func(t *testing.T, s *Swarm) {
		const nodes = 5
		var all [nodes]net.PacketConn
		for i := range all {
			all[i] = socket(t, s, i)
		}
		check := func(when string, parts ...[]int) {
			t.Helper()
			part := make(map[int]int)
			for p, members := range parts {
				for _, i := range members {
					part[i] = p + 1
				}
			}
			for from := range all {
				for to := range all {
					if from == to {
						continue
					}
					send(t, all[from], to, 1, 100)
					got, _ := receive(t, all[to])
					if want := part[from] != 0 && part[from] == part[to]; (got == 1) != want {
						t.Errorf("%s: from %d to %d came %v, want %v", when, from, to, got == 1, want)
					}
				}
			}
		}
		check("at first", []int{0, 1, 2, 3, 4})
		s.Split(0, 1)
		check("split", []int{0, 1}, []int{2, 3, 4})
		s.Split(2)
		check("split again", []int{0, 1}, []int{2}, []int{3, 4})
		s.Heal()
		s.Unplug(3, 4)
		check("unplugged", []int{0, 1, 2})
		s.Plug(3, 4)
		check("at last", []int{0, 1, 2, 3, 4})

		old := all[0]
		all[0] = socket(t, s, 0)
		if _, err := old.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(addrPort(1))); err == nil {
			t.Error("the socket of an earlier life still sends")
		}
		check("come back", []int{0, 1, 2, 3, 4})
	})
}
