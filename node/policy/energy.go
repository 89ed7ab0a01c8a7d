package policy

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Energy is a signal by which a home trains when power is cheap, clean or its own: a price, the
// carbon of the grid, or what solar panels give. The zero Energy asks nothing.
type Energy struct {
	File    string   `json:"file,omitempty"`    // the file that has the signal, by its absolute path; or command, or url
	Command []string `json:"command,omitempty"` // a program that prints the signal, and its arguments, without a shell
	URL     string   `json:"url,omitempty"`     // the https address that has the signal
	Field   string   `json:"field,omitempty"`   // the signal's place in JSON, such as data.0.price; empty: it is a number alone
	Above   *float64 `json:"above,omitempty"`   // the value from which on the machine trains; or below
	Below   *float64 `json:"below,omitempty"`   // the value up to which the machine trains
	Least   Span     `json:"least,omitempty"`   // how long it trains at least once it began; 0s: 10m
}

// leastRun is how long training goes on at least once the signal was good: clouds pass, and each
// start of a trainer compiles for seconds.
const leastRun = 10 * time.Minute

// Same tells whether two signals are one, whatever is made of it.
func (e Energy) Same(o Energy) bool {
	return e.File == o.File && slices.Equal(e.Command, o.Command) && e.URL == o.URL && e.Field == o.Field
}

// On tells whether there is a signal to go by.
func (e Energy) On() bool { return e.File != "" || len(e.Command) > 0 || e.URL != "" }

// Validate says what is wrong with e.
func (e Energy) Validate() error {
	var from int
	for _, set := range []bool{e.File != "", len(e.Command) > 0, e.URL != ""} {
		if set {
			from++
		}
	}
	u, err := url.Parse(e.URL)
	switch {
	case from == 0 && (e.Above != nil || e.Below != nil):
		return errors.New("energy: where does the signal come from? give a file, a command or an https address")
	case from == 0:
		return nil
	case from > 1:
		return errors.New("energy: give a file, a command or an https address, not several")
	case e.File != "" && !filepath.IsAbs(e.File):
		return fmt.Errorf("energy: %s must be an absolute path: the node has a directory of its own", e.File)
	case len(e.Command) > 0 && strings.ContainsRune(e.Command[0], filepath.Separator) && !filepath.IsAbs(e.Command[0]):
		return fmt.Errorf("energy: %s must be an absolute path, or a name alone: the node has a directory of its own", e.Command[0])
	case e.URL != "" && (err != nil || u.Scheme != "https" || u.Host == ""):
		return fmt.Errorf("energy: %q is no https address", e.URL)
	case (e.Above == nil) == (e.Below == nil):
		return errors.New("energy: say from which value on (above) or up to which (below) it may train")
	}
	return nil
}

// good tells whether it may train at a value.
func (e Energy) good(value float64) bool {
	if e.Above != nil {
		return value >= *e.Above
	}
	return value <= *e.Below
}

func (e Energy) least() time.Duration {
	if e.Least == 0 {
		return leastRun
	}
	return time.Duration(e.Least)
}

// String says by what it trains, and when.
func (e Energy) String() string {
	from := e.File + e.URL + strings.Join(e.Command, " ")
	if e.Field != "" {
		from += " (" + e.Field + ")"
	}
	return fmt.Sprintf("by %s: %s, at least %v at a time", from, e.words(), e.least())
}

// words say what is waited for.
func (e Energy) words() string {
	if e.Above != nil {
		return fmt.Sprintf("it trains from %g on", *e.Above)
	}
	return fmt.Sprintf("it trains up to %g", *e.Below)
}
