package policy

import (
	"fmt"
	"reflect"
	"time"
)

// Readings are what the machine's senses tell at a moment. What cannot be read is zero.
type Readings struct {
	Now       time.Time
	OnBattery bool
	Touched   time.Time // when keyboard or mouse were used last; zero: not known
	TouchWhy  string    // why that cannot be known
	Others    float64   // how busy other programs keep the graphics card, 0 to 1
	Program   string    // the one that keeps it busiest
	Celsius   float64   // of the hottest device that trains
	Watts     float64   // that the devices draw
	Memory    uint64    // bytes that the trainer has taken
	VRAM      uint64    // bytes of graphics memory that the trainer has taken
	Signal    float64   // value of the energy signal
	SignalOf  Energy    // setting that the signal was read by
	SignalWhy string    // why it cannot be had
	SignalAt  time.Time // when it was read; zero: not yet
}

// How the readings are taken: each has its own calm, so that a noisy one does not start and end
// a trainer, which compiles for seconds, all the time.
const (
	defaultOthers = 0.25 // of a graphics card: a desktop takes a few percent, a video ten, a game all
	othersCalm    = 30 * time.Second
	coolBy        = 10.0 // degrees Celsius below the limit
	coolCalm      = time.Minute
	wattsSpan     = 10 * time.Second // of the mean that is compared: a step's peak is nothing
	wattsCalm     = 2 * time.Minute  // a device that waits draws little: this makes it work part of the time
	staleSignal   = 15 * time.Minute // a signal that is older says nothing
)

// Machine is what the readings have come to: facts that change no more often than a trainer can
// follow. It is a pure function of the readings and settings in the order of time.
type Machine struct {
	readings Readings

	busy, hot, strained, greedy hold
	watts                       float64 // their mean
	good                        bool    // the signal lets it train
	goodSince                   time.Time
	settings                    Settings // those under which greedy was last judged
}

// hold is a reason that ends only after it was absent for a while.
type hold struct {
	on   bool
	last time.Time // when it was last seen
	why  string
}

// see takes one look in: bad begins it at once, calm ends it.
func (h *hold) see(now time.Time, bad bool, why string, calm time.Duration) {
	switch {
	case bad:
		h.on, h.last, h.why = true, now, why
	case h.on && now.Sub(h.last) >= calm:
		*h = hold{}
	}
}

// Take takes readings in.
func (m *Machine) Take(r Readings, s Settings) {
	since := r.Now.Sub(m.readings.Now)
	m.readings = r
	m.busy.see(r.Now, r.Others > s.Share(), fmt.Sprintf("%s keeps the graphics card busy (%.0f %%); it goes on %v after that ends", orProgram(r.Program), 100*r.Others, othersCalm), othersCalm)
	m.heat(r, s)
	m.power(r, s, since)
	if !reflect.DeepEqual(m.settings.Energy, s.Energy) {
		m.good = false
	}
	if m.settings.Memory != s.Memory || m.settings.VRAM != s.VRAM {
		m.greedy = hold{} // another limit, another try
	}
	m.settings = s
	switch {
	case s.Memory > 0 && r.Memory > s.Memory:
		m.greedy = hold{true, r.Now, fmt.Sprintf("the trainer took %s of memory, more than the %s that it may; raise murmur limit --memory", gigabytes(r.Memory), gigabytes(s.Memory))}
	case s.VRAM > 0 && r.VRAM > s.VRAM:
		m.greedy = hold{true, r.Now, fmt.Sprintf("the trainer took %s of the graphics card's memory, more than the %s that it may; raise murmur limit --vram", gigabytes(r.VRAM), gigabytes(s.VRAM))}
	}
	m.sun(r, s)
}

// Again judges the newest readings by other settings.
func (m *Machine) Again(s Settings) {
	if !m.readings.Now.IsZero() {
		m.Take(m.readings, s)
	}
}

func (m *Machine) heat(r Readings, s Settings) {
	limit := s.Celsius
	if limit == 0 {
		m.hot = hold{}
		return
	}
	why := fmt.Sprintf("the device has %.0f °C, the limit is %.0f; it goes on below %.0f", r.Celsius, limit, limit-coolBy)
	bad := r.Celsius >= limit || m.hot.on && r.Celsius > limit-coolBy
	m.hot.see(r.Now, bad, why, coolCalm)
}

// power compares a mean over about wattsSpan; since is from the look before.
func (m *Machine) power(r Readings, s Settings, since time.Duration) {
	m.watts += (r.Watts - m.watts) * min(since.Seconds()/wattsSpan.Seconds(), 1)
	if s.Watts == 0 {
		m.strained = hold{}
		return
	}
	m.strained.see(r.Now, m.watts > s.Watts, fmt.Sprintf("the devices draw %.0f W, the limit is %.0f; it rests for %v", m.watts, s.Watts, wattsCalm), wattsCalm)
}

// sun follows the energy's signal: bad values count only after the least time of a run.
func (m *Machine) sun(r Readings, s Settings) {
	e := s.Energy
	switch {
	case !e.On():
		m.good, m.goodSince = true, time.Time{}
	case m.signal(e) == "" && e.good(r.Signal):
		if !m.good {
			m.goodSince = r.Now
		}
		m.good = true
	case m.good && !m.goodSince.IsZero() && r.Now.Sub(m.goodSince) < e.least():
	default:
		m.good, m.goodSince = false, time.Time{}
	}
}

// signal says why there is no signal to go by.
func (m *Machine) signal(e Energy) string {
	r := m.readings
	switch {
	case !r.SignalOf.Same(e):
		return "it is being asked for"
	case r.Now.Sub(r.SignalAt) <= staleSignal:
		return ""
	case r.SignalWhy != "":
		return r.SignalWhy
	default:
		return "it is being asked for"
	}
}

// objection is the first reason of the machine itself not to train.
func (m *Machine) objection(s Settings) (d Decision, yes bool) {
	r := m.readings
	const here = "this machine"
	switch {
	case r.OnBattery && !s.Battery:
		return Decision{Reason: Battery, Source: here, Why: "on battery; it goes on when there is power"}, true
	case s.Idle > 0 && r.TouchWhy != "":
		return Decision{Reason: InUse, Source: "murmur hours", Why: "it may train only while nobody is at this machine, and that cannot be known: " + r.TouchWhy}, true
	case s.Idle > 0 && r.Now.Sub(r.Touched) < time.Duration(s.Idle):
		until := r.Touched.Add(time.Duration(s.Idle))
		return Decision{Reason: InUse, Source: "murmur hours", Until: until, Why: fmt.Sprintf("somebody is at this machine; it goes on after %v without keyboard and mouse", time.Duration(s.Idle))}, true
	case m.busy.on:
		return Decision{Reason: GPUInUse, Source: here, Why: m.busy.why}, true
	case m.hot.on:
		return Decision{Reason: Hot, Source: "murmur limit", Why: m.hot.why}, true
	case m.strained.on:
		return Decision{Reason: Power, Source: "murmur limit", Why: m.strained.why, Until: m.strained.last.Add(wattsCalm)}, true
	case m.greedy.on:
		return Decision{Reason: Memory, Source: "murmur limit", Why: m.greedy.why}, true
	case s.Energy.On() && !m.good:
		why := "the energy's signal cannot be had: " + m.signal(s.Energy)
		if m.signal(s.Energy) == "" {
			why = fmt.Sprintf("the energy's signal is %g; %s", r.Signal, s.Energy.words())
		}
		return Decision{Reason: EnergySignal, Source: "murmur energy", Why: why}, true
	}
	return Decision{}, false
}

func orProgram(name string) string {
	if name == "" {
		return "another program"
	}
	return name
}

func gigabytes(b uint64) string { return fmt.Sprintf("%.1f GB", float64(b)/1e9) }
