package tui

import (
	"fmt"
	"math"
	"time"
)

// short writes a number with three digits and the thousand that it is of.
func short(n float64, units ...string) string {
	i := 0
	for ; n >= 999.5 && i < len(units)-1; i++ {
		n /= 1000
	}
	digits := 0
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return "?"
	case i > 0 && n < 9.995:
		digits = 2
	case i > 0 && n < 99.95:
		digits = 1
	}
	return fmt.Sprintf("%.*f%s", digits, n, units[i])
}

func count[T uint64 | float64](n T) string { return short(float64(n), "", "k", "M", "B", "T") }

func bytes[T uint64 | float64](n T) string {
	return short(float64(n), " B", " kB", " MB", " GB", " TB", " PB")
}

// lasting writes a time in its two largest units.
func lasting(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// plural writes a number and what it counts.
func plural[T int | int64 | uint64](n T, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// share is a part of a whole in percent.
func share(part, whole uint64) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.1f %%)", 100*float64(part)/float64(whole))
}
