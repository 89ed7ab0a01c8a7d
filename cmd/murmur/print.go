package main

import (
	"encoding/json"
	"io"
	"os"
)

// tabled is a report that people can read; its fields are for programs.
type tabled interface{ Table(out io.Writer) error }

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
