package api

import "fmt"

// Limits are what a person allows murmur on a machine.
type Limits struct {
	UpMbit   float64 `json:"up_mbit"`   // Mbit/s to peers outside the local network, 0.1 to 1e6; 0: no limit
	DownMbit float64 `json:"down_mbit"` // Mbit/s from peers outside the local network, 0.1 to 1e6; 0: no limit
	MonthGB  float64 `json:"month_gb"`  // GB of 1e9 bytes both ways in a calendar month, 0.01 to 1e6; 0: no limit
}

// Usage is what crossed the line in a calendar month: to and from peers outside the local
// network, packets' heads included.
type Usage struct {
	Month string `json:"month"` // the month that is counted, such as 2026-11, by this machine's clock
	Bytes uint64 `json:"bytes"` // bytes both ways in that month
}

// The least that rounds can do with, and more than any line has.
const (
	leastMbit = 0.1
	mostMbit  = 1e6
	leastGB   = 0.01
	mostGB    = 1e6
)

// Validate says what is wrong with l.
func (l Limits) Validate() error {
	for _, d := range []struct {
		name string
		mbit float64
	}{{"up", l.UpMbit}, {"down", l.DownMbit}} {
		if d.mbit != 0 && !(d.mbit >= leastMbit && d.mbit <= mostMbit) {
			return fmt.Errorf("a limit of %g Mbit/s %s: it must be 0, which is none, or %g to %g", d.mbit, d.name, leastMbit, float64(mostMbit))
		}
	}
	if l.MonthGB != 0 && !(l.MonthGB >= leastGB && l.MonthGB <= mostGB) {
		return fmt.Errorf("a limit of %g GB a month: it must be 0, which is none, or %g to %g", l.MonthGB, leastGB, float64(mostGB))
	}
	return nil
}

func (l Limits) String() string {
	word := func(mbit float64) string {
		if mbit == 0 {
			return "no limit"
		}
		return fmt.Sprintf("%g Mbit/s", mbit)
	}
	s := word(l.UpMbit) + " up, " + word(l.DownMbit) + " down"
	if l.MonthGB > 0 {
		s += fmt.Sprintf(", %g GB a month", l.MonthGB)
	}
	return s
}
