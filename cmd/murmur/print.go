package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// tabled is a report that people can read; its fields are for programs.
type tabled interface{ Table(out io.Writer) error }

// line is a report of one line.
type line struct {
	text   string
	fields any
}

// Table is the line.
func (l line) Table(out io.Writer) error {
	_, err := fmt.Fprintln(out, l.text)
	return err
}

// MarshalJSON is what the line is made of.
func (l line) MarshalJSON() ([]byte, error) { return json.Marshal(l.fields) }

// printed writes a report as JSON or as a table.
func printed(asJSON bool, report tabled) error {
	if !asJSON {
		return report.Table(os.Stdout)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(report)
}
