package api

import "fmt"

// Limits are what a person allows murmur on a machine.
type Limits struct {
	UpMbit   float64 `json:"up_mbit"`   // Mbit/s to peers outside the local network; 0: no limit
	DownMbit float64 `json:"down_mbit"` // and from them
}

// The least that rounds can do with, and more than any line has.
const (
	leastMbit = 0.1
	mostMbit  = 1e6
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
	return nil
}

func (l Limits) String() string {
	word := func(mbit float64) string {
		if mbit == 0 {
			return "no limit"
		}
		return fmt.Sprintf("%g Mbit/s", mbit)
	}
	return word(l.UpMbit) + " up, " + word(l.DownMbit) + " down"
}
