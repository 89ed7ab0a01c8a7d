package policy

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScripts runs the scripts in testdata: lines change facts or the time, and what is
// decided must be what the script says.
//
//	zone Europe/Berlin
//	at 2026-11-23 21:59      the clock, which also goes on by: after 90m
//	set compute 22:00-7      settings: compute, network, battery, pause, keep, resume
//	is trainer up            facts: trainer up|down, battery, power, leaving, done, seed, quota WHY, disk WHY
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
	lines, zone := bufio.NewScanner(r), "UTC"
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		do, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		d := Decide(f)
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
		case "set":
			if err := set(&f.Settings, rest, f.Now); err != nil {
				t.Fatalf("line %d: %v", n, err)
			}
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
		err = fmt.Errorf("no setting %q", what)
	}
	return err
}

func is(f *Facts, line string) error {
	what, value, _ := strings.Cut(line, " ")
	switch what {
	case "trainer":
		f.TrainerUp = value == "up"
		f.TrainerWhy = strings.TrimPrefix(strings.TrimPrefix(value, "up"), "down")
	case "battery":
		f.OnBattery = true
	case "power":
		f.OnBattery = false
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
