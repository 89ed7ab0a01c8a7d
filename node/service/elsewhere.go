package service

import (
	"fmt"
	"path/filepath"
	"strings"
)

func (p Params) agent() (Plan, error) {
	if temporary(p.Program) {
		return Plan{}, fmt.Errorf("%s is there for a moment only: install murmur first, as with go install ./cmd/murmur", p.Program)
	}
	v := values{Params: p, Log: filepath.Join(p.Home, "Library", "Logs", "murmur.log")}
	b, err := v.fill("agent.plist")
	path := filepath.Join(p.Home, "Library", "LaunchAgents", "murmur.plist")
	return Plan{
		Path: path, Content: b,
		Next:  []string{"launchctl bootstrap gui/$(id -u) '" + path + "'", "murmur status" + p.flag()},
		After: []string{"launchctl bootout gui/$(id -u)/murmur"},
	}, err
}

// task is for Windows, whose service manager starts only programs that speak its language.
func (p Params) task() Plan {
	v := values{Params: p}
	var line []string
	for _, w := range v.Command() {
		if strings.ContainsAny(w, " \t") {
			w = `\"` + w + `\"`
		}
		line = append(line, w)
	}
	return Plan{
		Next:  []string{`schtasks /Create /TN murmur /SC ONLOGON /RL LIMITED /TR "` + strings.Join(line, " ") + `"`, "schtasks /Run /TN murmur", "murmur status"},
		After: []string{"murmur finish", "schtasks /Delete /TN murmur /F"},
	}
}
