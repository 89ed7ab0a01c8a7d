// Package senses looks at the machine for node/policy: battery, keyboard and mouse, the devices,
// the trainer's memory, and the signal of energy.
//
// Each sense has a pace of its own, and is asked only where the settings or the devices make it
// count, so that an idle node costs next to nothing. It must not judge what it reads.
package senses

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/senses/battery"
	"github.com/murmurnet/murmur/node/senses/device"
	"github.com/murmurnet/murmur/node/senses/energy"
	"github.com/murmurnet/murmur/node/senses/presence"
)

// How often a sense is asked at most. A game must have its card within a second.
const (
	cardPace    = 400 * time.Millisecond
	touchPace   = 2 * time.Second
	machinePace = 5 * time.Second
	energyPace  = 30 * time.Second
	driverPace  = time.Minute // to look for NVIDIA's driver again
)

// Ask says what counts at a look.
type Ask struct {
	Settings policy.Settings
	Backend  string // that the trainer runs on, or is to; empty: the best there is
	Cards    []int  // that it trains on, by number; empty: the first
	Pids     []int  // of the trainers
}

// Senses are this machine's. One goroutine uses them.
type Senses struct {
	readings  policy.Readings
	cards     []device.Reading
	processor device.Reading
	nvidia    *device.Cards
	due       map[string]time.Time

	beside  sync.WaitGroup // questions that may take long: one of each kind at most
	touches chan touch
	feeling bool // somebody is being asked when the machine was touched

	client  *http.Client
	signals chan signal // the answer to the question under way
	asking  bool
}

// touch is what presence said.
type touch struct {
	at  time.Time
	err error
}

// signal is what energy said.
type signal struct {
	of    policy.Energy
	value float64
	err   error
	at    time.Time
}

// New makes the senses of this machine.
func New() *Senses {
	return &Senses{due: map[string]time.Time{}, client: &http.Client{}, signals: make(chan signal, 1), touches: make(chan touch, 1)}
}

// Close lets the devices go and waits for what was asked.
func (s *Senses) Close() error {
	s.beside.Wait()
	s.client.CloseIdleConnections()
	if s.nvidia == nil {
		return nil
	}
	return s.nvidia.Close()
}

// ready tells whether a sense may be asked again.
func (s *Senses) ready(sense string, pace time.Duration, now time.Time) bool {
	if now.Before(s.due[sense]) {
		return false
	}
	s.due[sense] = now.Add(pace)
	return true
}

// Read looks at what is due and tells all, devices too.
func (s *Senses) Read(ctx context.Context, ask Ask) (policy.Readings, []device.Reading) {
	now := time.Now()
	r := &s.readings
	r.Now = now
	if s.ready("machine", machinePace, now) {
		r.OnBattery = battery.Discharging(battery.Supplies)
		r.Memory = device.Memory(ctx, ask.Pids)
		s.processor = device.Processor(ctx)
	}
	if ask.Settings.Idle == 0 { // so that nothing old counts before the first answer
		r.Touched, r.TouchWhy = time.Time{}, ""
	} else {
		s.touched(ctx, now)
	}
	s.look(ctx, ask, now)
	s.sun(ctx, ask.Settings.Energy, now)
	return *r, append(append([]device.Reading(nil), s.cards...), s.processor)
}

// touched asks when somebody last used keyboard or mouse.
func (s *Senses) touched(ctx context.Context, now time.Time) {
	r := &s.readings
	select {
	case got := <-s.touches:
		s.feeling = false
		if r.Touched, r.TouchWhy = got.at, ""; got.err != nil {
			r.TouchWhy = got.err.Error()
		}
	default:
	}
	if s.feeling || !s.ready("touch", touchPace, now) {
		return
	}
	s.feeling = true
	s.beside.Go(func() {
		at, err := presence.Last(ctx)
		s.touches <- touch{at, err}
	})
}

// look reads the devices that train.
func (s *Senses) look(ctx context.Context, ask Ask, now time.Time) {
	r := &s.readings
	switch {
	case strings.Contains(ask.Backend, "rocm"):
		if s.ready("card", machinePace, now) {
			s.cards = []device.Reading{device.Radeon(ctx)}
		}
	case ask.Backend == "" || strings.Contains(ask.Backend, "cuda"):
		if s.ready("card", cardPace, now) {
			s.cards = s.nvidias(ask, now)
		}
	default:
		s.cards = nil
	}
	r.Celsius, r.Watts, r.VRAM, r.Others, r.Program = 0, 0, 0, 0, ""
	for _, c := range s.cards {
		r.Celsius = max(r.Celsius, c.Celsius)
		r.Watts += c.Watts
		r.VRAM += c.Taken
		if c.Others > r.Others {
			r.Others, r.Program = c.Others, c.Program
		}
	}
	if len(s.cards) == 0 {
		r.Celsius = s.processor.Celsius
	}
}

// nvidias reads the cards that train, and the first of those before a trainer chose.
func (s *Senses) nvidias(ask Ask, now time.Time) (out []device.Reading) {
	if s.nvidia == nil {
		if !s.ready("driver", driverPace, now) {
			return nil
		}
		var err error
		if s.nvidia, err = device.Open(); err != nil {
			s.nvidia = nil // there is none, as a rule
			return nil
		}
	}
	cards := ask.Cards
	if len(cards) == 0 {
		cards = []int{0}
	}
	for _, k := range cards {
		if c, err := s.nvidia.Read(k, ask.Pids); err == nil {
			out = append(out, c)
		}
	}
	return out
}

// sun asks for the signal, beside everything else: it may take long.
func (s *Senses) sun(ctx context.Context, from policy.Energy, now time.Time) {
	r := &s.readings
	if !r.SignalOf.Same(from) { // it is asked for at once
		r.SignalOf, r.SignalAt, r.SignalWhy = from, time.Time{}, ""
		delete(s.due, "energy")
	}
	select {
	case got := <-s.signals:
		s.asking = false
		if !got.of.Same(from) {
			break
		}
		if r.SignalWhy = ""; got.err != nil {
			r.SignalWhy = got.err.Error()
			break
		}
		r.Signal, r.SignalAt = got.value, got.at
	default:
	}
	if !from.On() || s.asking || !s.ready("energy", energyPace, now) {
		return
	}
	s.asking = true
	s.beside.Go(func() {
		v, err := energy.Read(ctx, s.client, from)
		s.signals <- signal{from, v, err, time.Now()}
	})
}
