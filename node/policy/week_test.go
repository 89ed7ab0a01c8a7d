package policy

import (
	"testing"
	"time"
)

// TestWeek asks at a time of a place whether it is within the hours, and when that changes.
func TestWeek(t *testing.T) {
	for _, tc := range []struct {
		week, place, at string
		open            bool
		next            string // "": never
	}{
		{"always", "UTC", "2026-11-23 10:00", true, ""},
		{"never", "UTC", "2026-11-23 10:00", false, ""},
		{"9-17", "UTC", "2026-11-23 08:59", false, "2026-11-23 09:00"},
		{"9-17", "UTC", "2026-11-23 09:00", true, "2026-11-23 17:00"},
		{"9-17", "UTC", "2026-11-23 17:00", false, "2026-11-24 09:00"},
		{"22:00-07:00", "UTC", "2026-11-23 23:30", true, "2026-11-24 07:00"},
		{"22:00-07:00", "UTC", "2026-11-23 06:59", true, "2026-11-23 07:00"},
		{"mon-fri 22:00-7, sat-sun 0-24", "UTC", "2026-11-27 23:00", true, "2026-11-30 00:00"}, // Friday to Sunday's end
		{"mon-fri 22:00-7, sat-sun 0-24", "UTC", "2026-11-30 05:00", false, "2026-11-30 22:00"},
		{"sun 22:00-7", "UTC", "2026-11-23 03:00", true, "2026-11-23 07:00"}, // over the week's end
		{"fri-mon 12-13", "UTC", "2026-11-24 00:00", false, "2026-11-27 12:00"},
		{"0-24", "UTC", "2026-11-23 10:00", true, ""},
		// In Berlin 2026-03-29 02:00 is 03:00, and on 2026-10-25 two o'clock comes twice.
		{"1:00-2:30", "Europe/Berlin", "2026-03-29 01:30", true, "2026-03-29 03:00"},
		{"2:15-2:45", "Europe/Berlin", "2026-03-29 01:30", false, "2026-03-30 02:15"},
		{"22:00-7", "Europe/Berlin", "2026-03-28 23:00", true, "2026-03-29 07:00"},
		{"22:00-7", "Europe/Berlin", "2026-10-24 23:00", true, "2026-10-25 07:00"},
	} {
		t.Run(tc.week+" at "+tc.at, func(t *testing.T) {
			w, err := ParseWeek(tc.week)
			if err != nil {
				t.Fatal(err)
			}
			at, next := wall(t, tc.place, tc.at), time.Time{}
			if tc.next != "" {
				next = wall(t, tc.place, tc.next)
			}
			if w.Open(at) != tc.open || !w.Next(at).Equal(next) {
				t.Errorf("open is %v until %v, want %v until %v", w.Open(at), w.Next(at), tc.open, next)
			}
			if next.IsZero() {
				return
			}
			if w.Open(next) == tc.open || w.Open(next.Add(-time.Minute)) != tc.open {
				t.Error("that is not where it changes")
			}
			var again Week
			if b, err := w.MarshalText(); err != nil || again.UnmarshalText(b) != nil || again.Open(at) != tc.open {
				t.Errorf("written as %s it is another one", b)
			}
		})
	}
}

func wall(t *testing.T, place, at string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation(place)
	if err != nil {
		t.Skip("this machine has no time zones:", err)
	}
	when, err := time.ParseInLocation("2006-01-02 15:04", at, zone)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestWeekRefusals(t *testing.T) {
	for _, s := range []string{"monday 9-17", "9", "9-25", "mon-fri", "9-17,", "mon 9:60-10", "-1-3", "mon fri 9-10"} {
		if w, err := ParseWeek(s); err == nil {
			t.Errorf("%q is taken for %v", s, w)
		}
	}
}

func FuzzWeek(f *testing.F) {
	for _, s := range []string{"always", "never", "mon-fri 22:00-07:00, sat-sun 0-24", "9-17", "fri-mon 0:01-0:02"} {
		f.Add(s, int64(1_774_000_000))
	}
	f.Fuzz(func(t *testing.T, s string, at int64) {
		w, err := ParseWeek(s)
		if err != nil {
			return
		}
		now := time.Unix(at%(1<<40), 0).UTC()
		again, err := ParseWeek(w.String())
		if err != nil || again.Open(now) != w.Open(now) {
			t.Fatalf("%q is written as %q: %v", s, w, err)
		}
		if next := w.Next(now); !next.IsZero() && (w.Open(next) == w.Open(now) || w.Open(next.Add(-time.Minute)) != w.Open(now)) {
			t.Fatalf("%q at %v changes at %v, it says", s, now, next)
		}
	})
}
