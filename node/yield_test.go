package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/trainer/outer"
)

// TestYield has a game start on one node's machine, and other things that a machine is wanted
// for: each time its trainer is gone within a second, the reason is told, the others go on, and
// the node trains again when it may.
func TestYield(t *testing.T) {
	simtest.Run(t, simtest.Params{Seed: 7}, func(t *testing.T, net *simtest.Swarm) {
		s := newSwarm(t, net, outer.Bitloco, t.TempDir(), 7)
		defer s.end()
		s.found()
		s.join()
		d := s.all[1]
		until := func(what string, limit time.Duration, holds func() bool) time.Duration {
			t.Helper()
			began := time.Now()
			for !holds() {
				if time.Since(began) > limit {
					t.Fatalf("not within %v: %s; %s: %s", limit, what, d.n.State().Reason, d.n.State().Why)
				}
				s.run(10 * time.Millisecond)
			}
			return time.Since(began)
		}
		training := func() bool { st := d.n.State(); return st.Reason == string(policy.Training) && st.Trainer.Up }
		until("it trains", time.Minute, training)
		above := 500.0
		sun := policy.Energy{File: "/run/sun", Above: &above}
		for _, tc := range []struct {
			reason   policy.Reason
			settings func(*policy.Settings)
			begin    func(*policy.Readings)
			end      func(*policy.Readings)
			back     time.Duration
		}{
			{
				policy.GPUInUse, func(*policy.Settings) {},
				func(r *policy.Readings) { r.Others, r.Program = 0.9, "racer" }, func(r *policy.Readings) { r.Others = 0 }, time.Minute,
			},
			{
				policy.Hot, func(s *policy.Settings) { s.Celsius = 80 },
				func(r *policy.Readings) { r.Celsius = 81 }, func(r *policy.Readings) { r.Celsius = 60 }, 2 * time.Minute,
			},
			{
				policy.InUse, func(s *policy.Settings) { s.Idle = policy.Span(5 * time.Minute) },
				func(r *policy.Readings) { r.Touched = time.Now() }, func(*policy.Readings) {}, 6 * time.Minute,
			},
			{
				policy.Battery, func(*policy.Settings) {},
				func(r *policy.Readings) { r.OnBattery = true }, func(r *policy.Readings) { r.OnBattery = false }, time.Minute,
			},
			{
				policy.EnergySignal, func(s *policy.Settings) { s.Energy = sun },
				func(r *policy.Readings) { r.Signal, r.SignalAt, r.SignalOf = 20, time.Now(), sun },
				func(r *policy.Readings) { r.Signal, r.SignalAt = 900, time.Now() }, time.Minute,
			},
		} {
			height := s.highest
			if err := d.n.ChangeSettings(tc.settings); err != nil {
				t.Fatal(err)
			}
			d.machine.set(tc.begin)
			gone := until("the device is given back", time.Second, func() bool {
				st := d.n.State()
				return st.Reason == string(tc.reason) && !st.Trainer.Up
			})
			if st := d.n.State(); st.Why == "" || st.Source == "" {
				t.Errorf("%s: it says %q, by %q", tc.reason, st.Why, st.Source)
			}
			s.run(3 * time.Second)
			until("the other goes on", 2*time.Minute, func() bool { return s.highest > height })
			d.machine.set(tc.end)
			back := until("it trains again", tc.back, training)
			t.Logf("%s: gone after %v, back after %v", tc.reason, gone, back)
		}
		// A folder in the file's place refuses the write as a full disk does.
		file := filepath.Join(string(d.dir), "policy.json")
		if err := errors.Join(os.Remove(file), os.MkdirAll(filepath.Join(file, "full"), 0o700)); err != nil {
			t.Fatal(err)
		}
		if err := d.n.ChangeSettings(func(s *policy.Settings) { s.Pause.On = true }); err != nil {
			t.Fatal(err)
		}
		until("it pauses though that cannot be written", time.Second, func() bool { return d.n.State().Reason == string(policy.Paused) })
		if said := d.n.State().Unkept; !strings.Contains(said, "policy.json could not be written, so it counts until the next start alone") {
			t.Errorf("it says %q", said)
		}
		if err := errors.Join(os.RemoveAll(file), d.n.ChangeSettings(func(s *policy.Settings) { s.Pause.On = false })); err != nil {
			t.Fatal(err)
		}
		if err := d.n.ChangeSettings(func(s *policy.Settings) { // by a clock that was a month ahead
			s.Pause = policy.Pause{On: true, Span: 10 * time.Second, Until: time.Now().AddDate(0, 1, 0)}
		}); err != nil {
			t.Fatal(err)
		}
		until("it trains again", time.Minute, training)
		if said := d.n.State().Unkept; said != "" {
			t.Errorf("it says %q", said)
		}
	})
}
