package policy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestScripts runs the scripts in testdata: lines change facts or the time, and what is
// decided must be what the script says.
//
//	zone Europe/Berlin
//	at 2026-11-23 21:59      the clock, which also goes on by: after 90m
//	set compute 22:00-7      settings: compute, network, battery, pause, keep, resume, and JSON of the others: set {"celsius": 80}
//	is trainer up            facts: trainer up|down, leaving, done, seed, quota WHY, disk WHY
//	see celsius 81           readings: battery, power, touch, untouchable WHY, others SHARE PROGRAM, celsius, watts, memory MB, vram MB,
//	                         signal VALUE, nosignal WHY
//	want hours until 22:00   reason, and when it may change
//	why outside the hours    what the sentence holds
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) { play(t, file) })
	}
}

func play(t *testing.T, file string) {
	r, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f := Facts{TrainerUp: true, Now: wall(t, "UTC", "2026-11-23 12:00")}
	seen := Readings{}
	lines, zone := bufio.NewScanner(r), "UTC"
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		do, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		d := Decide(f)
		look := func() { // each second of the time that passed, as the node does
			from := seen.Now
			if from.IsZero() || f.Now.Before(from) || f.Now.Sub(from) > maxSpan {
				from = f.Now.Add(-time.Second)
			}
			for seen.Now = from; ; seen.Now = seen.Now.Add(time.Second) {
				seen.SignalOf = f.Settings.Energy
				if seen.SignalWhy == "" && !seen.SignalAt.IsZero() {
					seen.SignalAt = seen.Now
				}
				f.Machine.Take(seen, f.Settings)
				if !seen.Now.Before(f.Now) {
					return
				}
			}
		}
		switch do {
		case "":
		case "zone":
			zone = rest
		case "at":
			f.Now = wall(t, zone, rest)
		case "after":
			span, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			f.Now = f.Now.Add(span)
			look()
		case "set":
			if err := set(&f.Settings, rest, f.Now); err != nil {
				t.Fatalf("line %d: %v", n, err)
			}
			look()
		case "see":
			if err := see(&seen, rest, f.Now); err != nil {
				t.Fatalf("line %d: %v", n, err)
			}
			f.Now = f.Now.Add(time.Second)
			look()
		case "is":
			if err := is(&f, rest); err != nil {
				t.Fatalf("line %d: %v", n, err)
			}
		case "want":
			got := string(d.Reason)
			if !d.Until.IsZero() {
				got += " until " + clock(d.Until, f.Now)
			}
			if got != rest {
				t.Errorf("line %d: it decides %q, want %q", n, got, rest)
			}
			if d.Train != (d.Reason == Training || d.Reason == DiskFull) || d.Source == "" || d.Why == "" || d.Public() == "" || d.Train && d.Yield {
				t.Errorf("line %d: %+v", n, d)
			}
			if p := d.PublicReason(); p != d.Reason && p != Paused && p != Training || p == Training && !d.Train {
				t.Errorf("line %d: peers are told %q of %q", n, p, d.Reason)
			}
		case "why":
			if !strings.Contains(d.Why, rest) {
				t.Errorf("line %d: it says %q, want %q in it", n, d.Why, rest)
			}
		case "yields", "keeps":
			if d.Yield != (do == "yields") {
				t.Errorf("line %d: the device: %+v", n, d)
			}
		default:
			t.Fatalf("line %d: what is %q?", n, do)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func set(s *Settings, line string, now time.Time) (err error) {
	what, value, _ := strings.Cut(line, " ")
	switch what {
	case "compute":
		s.Compute, err = ParseWeek(value)
	case "network":
		s.Network, err = ParseWeek(value)
	case "battery":
		s.Battery = value == "on"
	case "pause":
		s.Pause, err = ParsePause(value, now)
	case "keep":
		s.Pause = Pause{On: true, Keep: true}
	case "resume":
		s.Pause = Pause{}
	default:
		if what == `{"energy":` {
			s.Energy = Energy{}
		}
		return json.Unmarshal([]byte(line), s)
	}
	return err
}

func is(f *Facts, line string) error {
	what, value, _ := strings.Cut(line, " ")
	switch what {
	case "trainer":
		f.TrainerUp = value == "up"
		f.TrainerWhy = strings.TrimPrefix(strings.TrimPrefix(value, "up"), "down")
	case "leaving":
		f.Leaving = true
	case "done":
		f.Done = true
	case "seed":
		f.Seed = true
	case "damaged":
		f.Damaged = true
	case "quota":
		f.QuotaWhy = value
	case "disk":
		f.DiskWhy = value
	default:
		return fmt.Errorf("no fact %q", what)
	}
	return nil
}

func see(r *Readings, line string, now time.Time) (err error) {
	what, value, _ := strings.Cut(line, " ")
	number := func(into *float64) { *into, err = strconv.ParseFloat(value, 64) }
	megabytes := func(into *uint64) {
		*into, err = strconv.ParseUint(value, 10, 64)
		*into *= 1e6
	}
	switch what {
	case "battery", "power":
		r.OnBattery = what == "battery"
	case "touch":
		r.Touched = now
	case "untouchable":
		r.TouchWhy = value
	case "others":
		value, r.Program, _ = strings.Cut(value, " ")
		number(&r.Others)
	case "celsius":
		number(&r.Celsius)
	case "watts":
		number(&r.Watts)
	case "memory":
		megabytes(&r.Memory)
	case "vram":
		megabytes(&r.VRAM)
	case "signal":
		r.SignalWhy, r.SignalAt = "", now
		number(&r.Signal)
	case "nosignal":
		r.SignalWhy = value
	default:
		err = fmt.Errorf("no reading %q", what)
	}
	return err
}

// TestNoise has every reading tremble about its limit for hours, a look a second: what a trainer
// is told changes seldom all the same.
func TestNoise(t *testing.T) {
	above := 500.0
	for _, tc := range []struct {
		name     string
		settings Settings
		noise    func(r *Readings, x float64) // of −1 to 1
		most     int                          // changes in an hour
	}{
		{"game", Settings{}, func(r *Readings, x float64) { r.Others = 0.25 + 0.2*x }, 2},
		{"heat", Settings{Celsius: 80}, func(r *Readings, x float64) { r.Celsius = 80 + 5*x }, 2},
		{"heat that goes further down", Settings{Celsius: 80}, func(r *Readings, x float64) { r.Celsius = 75 + 10*x }, 2},
		{"watts", Settings{Watts: 200}, func(r *Readings, x float64) { r.Watts = 200 + 50*x }, 60},
		{"sun", Settings{Energy: Energy{File: "/sun", Above: &above}}, func(r *Readings, x float64) {
			r.Signal, r.SignalAt, r.SignalOf = 500+300*x, r.Now, Energy{File: "/sun"}
		}, 12},
	} {
		t.Run(tc.name, func(t *testing.T) {
			draw := rand.New(rand.NewPCG(1, 2))
			f := Facts{TrainerUp: true, Settings: tc.settings, Now: wall(t, "UTC", "2026-11-23 12:00")}
			changes, trained, last := 0, 0, true
			const hours = 4
			for range hours * 3600 {
				f.Now = f.Now.Add(time.Second)
				r := Readings{Now: f.Now}
				tc.noise(&r, 2*draw.Float64()-1)
				f.Machine.Take(r, f.Settings)
				d := Decide(f)
				if d.Train != last {
					changes, last = changes+1, d.Train
				}
				if d.Train {
					trained++
				}
			}
			t.Logf("%d changes an hour, trains %.0f %% of the time", changes/hours, float64(trained)/hours/36)
			if changes > tc.most*hours {
				t.Errorf("%d changes an hour, at most %d are wanted", changes/hours, tc.most)
			}
		})
	}
}

// TestOtherSource changes where the signal comes from: the old one's number says nothing then.
func TestOtherSource(t *testing.T) {
	price, watts := 20.0, 5.0
	cheap, sunny := Energy{File: "/price", Below: &price}, Energy{File: "/sun", Above: &watts}
	now := wall(t, "UTC", "2026-11-23 22:00")
	f := Facts{TrainerUp: true, Now: now, Settings: Settings{Energy: cheap}}
	f.Machine.Take(Readings{Now: now, Signal: 12, SignalAt: now, SignalOf: cheap}, f.Settings)
	if d := Decide(f); !d.Train {
		t.Fatalf("%+v", d)
	}
	f.Settings.Energy = sunny
	f.Machine.Again(f.Settings)
	if d := Decide(f); d.Reason != EnergySignal {
		t.Errorf("in the dark: %+v", d)
	}
}

// TestTurned has the clock set back, and on, after a pause was asked for.
func TestTurned(t *testing.T) {
	ahead := time.Date(2026, 12, 30, 12, 0, 0, 0, time.UTC)
	two, err := ParsePause("2h", ahead)
	if err != nil {
		t.Fatal(err)
	}
	evening, err := ParsePause("18:30", ahead)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p    Pause
		now  time.Time
		left time.Duration
	}{
		"an hour later":    {two, ahead.Add(time.Hour), time.Hour},
		"a month back":     {two, ahead.AddDate(0, 0, -30), 2 * time.Hour},
		"to an hour, back": {evening, ahead.AddDate(0, 0, -30), 6*time.Hour + 30*time.Minute},
		"without an end":   {Pause{On: true}, ahead.AddDate(0, 0, -30), 0},
		"over":             {Pause{}, ahead, 0},
	} {
		p, turned := c.p.Turned(c.now)
		if c.left > 0 && p.Until.Sub(c.now) != c.left || turned != (p != c.p) {
			t.Errorf("%s: %v left, turned %v", name, p.Until.Sub(c.now), turned)
		}
	}
}

// TestZone has somebody in another zone than the daemon's pause until half past six: it is told so.
func TestZone(t *testing.T) {
	asked := time.FixedZone("", 7200)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	p, err := ParsePause("18:30", now.In(asked))
	if err != nil {
		t.Fatal(err)
	}
	sent, err := ParsePause(p.Until.Format(time.RFC3339Nano), now)
	if err != nil || !sent.Until.Equal(p.Until) || sent.Span != p.Span {
		t.Fatalf("%+v came as %+v: %v", p, sent, err)
	}
	if d := Decide(Facts{Now: now, Settings: Settings{Pause: sent}}); !strings.Contains(d.Why, "until 18:30,") || d.Until.Format("15:04") != "18:30" {
		t.Errorf("it says %q, until %v", d.Why, d.Until)
	}
}
