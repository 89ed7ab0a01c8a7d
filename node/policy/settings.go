package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Settings are what a person wants of this machine.
type Settings struct {
	Pause   Pause `json:"pause"`   // the pause of murmur pause
	Compute Week  `json:"compute"` // hours of the week in which the machine may train; empty: all
	Network Week  `json:"network"` // hours of the week in which the line to the outside may be used; empty: all
	Battery bool  `json:"battery"` // whether the machine may train on battery

	Idle    Span    `json:"idle"`    // how long keyboard and mouse must have rested before it trains; 0s: it trains always
	Others  float64 `json:"others"`  // other programs' share of the graphics card above which it is theirs, 0 to 1; 0: a quarter
	Celsius float64 `json:"celsius"` // degrees Celsius at which a device rests, 30 to 110; 0: no limit
	Watts   float64 `json:"watts"`   // watts that the devices may draw, 5 to 5000; 0: no limit
	Memory  uint64  `json:"memory"`  // bytes of memory that the trainer may take, 256 MiB or more; 0: no limit
	VRAM    uint64  `json:"vram"`    // bytes of graphics memory that the trainer may take, 256 MiB or more; 0: no limit
	Energy  Energy  `json:"energy"`  // a signal by which the machine trains when power is cheap, clean or its own
}

// Limits between which settings make sense.
const (
	leastCelsius, mostCelsius = 30, 110
	leastWatts, mostWatts     = 5, 5000
	leastMemory               = 256 << 20 // a trainer without a model takes 150 MB
)

// Validate says what is wrong with s.
func (s Settings) Validate() error {
	switch {
	case !(s.Others >= 0 && s.Others <= 1):
		return fmt.Errorf("%g is no share of a graphics card: 0 to 1", s.Others)
	case s.Celsius != 0 && !(s.Celsius >= leastCelsius && s.Celsius <= mostCelsius):
		return fmt.Errorf("a limit of %g °C: it must be 0, which is none, or %d to %d", s.Celsius, leastCelsius, mostCelsius)
	case s.Watts != 0 && !(s.Watts >= leastWatts && s.Watts <= mostWatts):
		return fmt.Errorf("a limit of %g W: it must be 0, which is none, or %d to %d", s.Watts, leastWatts, mostWatts)
	case s.Memory != 0 && s.Memory < leastMemory, s.VRAM != 0 && s.VRAM < leastMemory:
		return fmt.Errorf("a limit of memory below %d MB: no trainer fits in", leastMemory>>20)
	}
	return s.Energy.Validate()
}

// Share is other programs' share of a graphics card above which it is theirs.
func (s Settings) Share() float64 {
	if s.Others == 0 {
		return defaultOthers
	}
	return s.Others
}

// Pause is a person's word that the machine is not to train for now.
type Pause struct {
	On    bool          `json:"on"`             // whether there is a pause
	Until time.Time     `json:"until,omitzero"` // the end of the pause; zero: until murmur resume
	Span  time.Duration `json:"span,omitempty"` // nanoseconds from the command to the end of the pause; 0: not known
	Keep  bool          `json:"keep,omitempty"` // whether the trainer stays loaded, to go on at once
}

// Turned returns a pause as it was meant where more of it is left than was asked for, for then
// the clock was set back meanwhile: a pause of two hours said by a clock a month ahead would
// last for a month.
func (p Pause) Turned(now time.Time) (meant Pause, turned bool) {
	if !p.On || p.Span == 0 || p.Until.Sub(now) <= p.Span {
		return p, false
	}
	p.Until = now.Add(p.Span).Round(0)
	return p, true
}

func (p Pause) holds(now time.Time) bool { return p.On && (p.Until.IsZero() || now.Before(p.Until)) }

// DecodeSettings reads settings as JSON; what it does not know is an error.
func DecodeSettings(b []byte) (s Settings, err error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	if err := s.Validate(); err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}

// morning is when "until tomorrow" ends.
const morning = 8

// ParsePause reads how long to pause: "" until told to go on, a duration such as 15m or 2h,
// a time of day such as 18:30, "tomorrow", which begins at eight, or a time as RFC 3339 writes it, whose zone counts in what is said of it.
func ParsePause(s string, now time.Time) (Pause, error) {
	p := Pause{On: true}
	if s == "" {
		return p, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		if d <= 0 || d > maxPause {
			return Pause{}, fmt.Errorf("a pause of %v: it must be above 0 and at most %v, or without an end", d, maxPause)
		}
		p.Until, p.Span = now.Add(d).Round(0), d // by the clock on the wall: a machine may sleep meanwhile
		return p, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		if d := at.Sub(now); d <= 0 || d > maxPause {
			return Pause{}, fmt.Errorf("a pause until %s: it must end after now and within %v", s, maxPause)
		}
		p.Until, p.Span = at, at.Sub(now)
		return p, nil
	}
	hour, minute := morning, 0
	if s != "tomorrow" {
		at, err := parseClock(s)
		if err != nil || !strings.Contains(s, ":") {
			return Pause{}, errors.New("give a duration such as 15m or 2h, a time of day such as 18:30, or tomorrow")
		}
		hour, minute = at/60, at%60
	}
	y, m, d := now.Date()
	for p.Until = time.Date(y, m, d, hour, minute, 0, 0, now.Location()); !p.Until.After(now); {
		d++
		p.Until = time.Date(y, m, d, hour, minute, 0, 0, now.Location())
	}
	p.Span = p.Until.Sub(now)
	return p, nil
}

// maxPause is the longest pause that has an end.
const maxPause = 366 * 24 * time.Hour
