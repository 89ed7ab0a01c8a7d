package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	dayMinutes  = 24 * 60
	weekMinutes = 7 * dayMinutes
	maxSpans    = 64 // of one Week
)

var days = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// Week is hours of the week by the clock on the wall, such as "mon-fri 22:00-07:00, sat-sun
// 00:00-24:00"; the zero Week is always.
type Week struct {
	text string
	open []span // in the order of the text; nil: always
}

// span is minutes since Monday 00:00, from included and to excluded; to may lie in the week
// after.
type span struct{ from, to int }

// ParseWeek reads hours of the week: "always", "never", or days and hours, by commas.
// A span that ends before it begins ends on the day after.
func ParseWeek(s string) (w Week, err error) {
	s = strings.Join(strings.Fields(strings.ToLower(s)), " ")
	switch s {
	case "", "always":
		return Week{}, nil
	case "never":
		return Week{text: s, open: []span{}}, nil
	}
	w.text = s
	for part := range strings.SplitSeq(s, ",") {
		first, last, from, to, err := parseSpan(strings.TrimSpace(part))
		if err != nil {
			return Week{}, fmt.Errorf("%q: %w; write it as mon-fri 22:00-07:00, sat-sun 00:00-24:00", strings.TrimSpace(part), err)
		}
		if to <= from {
			to += dayMinutes
		}
		for d := first; ; d = (d + 1) % len(days) {
			w.open = append(w.open, span{d*dayMinutes + from, d*dayMinutes + to})
			if d == last {
				break
			}
		}
		if len(w.open) > maxSpans {
			return Week{}, fmt.Errorf("more than %d spans", maxSpans)
		}
	}
	return w, nil
}

func parseSpan(s string) (first, last, from, to int, err error) {
	when, hours, found := strings.Cut(s, " ")
	if !found {
		when, hours = "daily", s
	}
	if first, last, err = parseDays(when); err != nil {
		return first, last, from, to, err
	}
	a, b, found := strings.Cut(hours, "-")
	if !found {
		return first, last, from, to, errors.New("hours go from one time to another")
	}
	if from, err = parseClock(a); err == nil {
		to, err = parseClock(b)
	}
	return first, last, from, to, err
}

func parseDays(s string) (first, last int, err error) {
	if s == "daily" {
		return 0, len(days) - 1, nil
	}
	a, b, found := strings.Cut(s, "-")
	if !found {
		b = a
	}
	if first, err = parseDay(a); err == nil {
		last, err = parseDay(b)
	}
	return first, last, err
}

func parseDay(s string) (int, error) {
	for i, d := range days {
		if s == d {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%q is no day", s)
}

// parseClock reads a time of day as minutes, 24:00 included.
func parseClock(s string) (int, error) {
	h, m, found := strings.Cut(s, ":")
	if !found {
		m = "00"
	}
	hour, err := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	if err != nil || err2 != nil || minute > 59 || hour*60+minute > dayMinutes {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	return int(hour*60 + minute), nil
}

// Open tells whether t is within the hours, by t's own location.
func (w Week) Open(t time.Time) bool {
	if w.open == nil {
		return true
	}
	m := minuteOf(t)
	for _, s := range w.open {
		if s.from <= m && m < s.to || s.from <= m+weekMinutes && m+weekMinutes < s.to {
			return true
		}
	}
	return false
}

// Next is when Open changes after t; zero if it never does.
func (w Week) Next(t time.Time) time.Time {
	t = t.Truncate(time.Minute)
	was, now := w.Open(t), minuteOf(t)
	var edges []int // minutes until one
	for _, s := range w.open {
		for _, edge := range []int{s.from, s.to} {
			edges = append(edges, (edge-now+2*weekMinutes-1)%weekMinutes+1)
		}
	}
	slices.Sort(edges)
	_, offset := t.Zone()
	for _, edge := range edges {
		later := t.Add(time.Duration(edge) * time.Minute)
		if _, o := later.Zone(); o != offset {
			return w.search(t, was)
		}
		if w.Open(later) != was {
			return later
		}
	}
	return time.Time{}
}

// search goes minute by minute: clocks are set forward or back on the way.
func (w Week) search(t time.Time, was bool) time.Time {
	for range weekMinutes + dayMinutes {
		if t = t.Add(time.Minute); w.Open(t) != was {
			return t
		}
	}
	return time.Time{}
}

func minuteOf(t time.Time) int {
	h, m, _ := t.Clock()
	return (int(t.Weekday())+6)%7*dayMinutes + h*60 + m
}

func (w Week) String() string {
	if w.open == nil {
		return "always"
	}
	return w.text
}

// MarshalText writes what ParseWeek reads.
func (w Week) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText is ParseWeek.
func (w *Week) UnmarshalText(b []byte) (err error) {
	*w, err = ParseWeek(string(b))
	return err
}
