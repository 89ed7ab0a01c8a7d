package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/senses/energy"
)

// EnergyCmd has the node train by a signal of energy.
type EnergyCmd struct {
	DirFlag
	File    string       `help:"Read the signal from this file." type:"path" xor:"from" placeholder:"FILE"`
	Command string       `help:"Take what this command prints; its words are divided by spaces, there is no shell." xor:"from" placeholder:"COMMAND"`
	URL     string       `name:"url" help:"Ask this https address." xor:"from" placeholder:"URL"`
	Field   string       `help:"The number is this field of JSON, such as data.0.price." placeholder:"PATH"`
	Above   *float64     `help:"Train from this value on, as of what solar panels give." xor:"value"`
	Below   *float64     `help:"Train up to this value, as of a price or of carbon." xor:"value"`
	Least   *policy.Span `help:"Once begun, train at least so long (default: 10m)." placeholder:"TIME"`
	Off     bool         `help:"Train whatever the energy." xor:"from"`
	JSON    bool         `help:"Print one JSON object."`
}

// Run changes what is given and prints what counts, with the signal as it is now.
func (c *EnergyCmd) Run(ctx context.Context) error {
	var change func(*policy.Settings)
	if c.Off || c.File != "" || c.Command != "" || c.URL != "" {
		change = func(s *policy.Settings) { s.Energy = c.energy() }
	} else if c.Above != nil || c.Below != nil || c.Least != nil || c.Field != "" {
		return usageError{fmt.Errorf("give --file, --command or --url, too")}
	}
	s, err := wanted(ctx, c.DirFlag, change)
	if err != nil {
		return err
	}
	shown := energyNow{Energy: s.Energy}
	if s.Energy.On() {
		v, err := energy.Read(ctx, http.DefaultClient, s.Energy)
		if err != nil {
			shown.Why = err.Error()
		} else {
			shown.Value, shown.Read = &v, time.Now()
		}
	}
	if err := printed(c.JSON, shown); err != nil {
		return err
	}
	if shown.Why != "" {
		return fmt.Errorf("the signal cannot be had now: %s", shown.Why)
	}
	return nil
}

// energyNow is the energy signal that a node goes by, as it is now.
type energyNow struct {
	policy.Energy
	Value *float64  `json:"value,omitempty"`
	Read  time.Time `json:"read,omitzero"`
	Why   string    `json:"why,omitempty"` // it cannot be had
}

// Table is what it goes by and the value.
func (s energyNow) Table(out io.Writer) error {
	if !s.On() {
		_, err := fmt.Fprintln(out, "trains whatever the energy")
		return err
	}
	_, err := fmt.Fprintln(out, s.Energy)
	if err == nil && s.Value != nil {
		_, err = fmt.Fprintf(out, "the signal is %g now, read %s\n", *s.Value, s.Read.Format(time.TimeOnly))
	}
	return err
}

func (c *EnergyCmd) energy() policy.Energy {
	e := policy.Energy{File: c.File, Command: strings.Fields(c.Command), URL: c.URL, Field: c.Field, Above: c.Above, Below: c.Below}
	give(&e.Least, c.Least)
	return e
}
