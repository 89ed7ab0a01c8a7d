package xla

import (
	"context"
	"fmt"
	"strings"
)

// Status is what is known of one backend on this machine.
type Status struct {
	Config  string `json:"config"`
	Name    string `json:"name"`
	Usable  bool   `json:"usable"`
	Device  string `json:"device,omitempty"`  // the first device, in the backend's words
	Devices int    `json:"devices,omitempty"` // how many there are
	Plugin  string `json:"plugin,omitempty"`  // path of the plugin that is used
	Reason  string `json:"reason,omitempty"`  // why it cannot be used
}

// Survey tries every backend of [Order], each plugin in a probe whatever earlier probes found, and loads none into
// this process unless p has no Probe. The first usable one is what [Open] takes.
func Survey(ctx context.Context, p Params) ([]Status, error) {
	pr := newProber(p)
	pr.fresh = true
	c := chooser{find: newFinder(p.dir()).find, check: pr.check, load: load, limit: openLimit}
	var all []Status
	for _, name := range Order() {
		cfg, err := parseConfig(name)
		if err != nil {
			return nil, err
		}
		s := Status{Config: name, Name: cfg.name()}
		backend, choice, refusals := c.try(ctx, cfg, len(pr.argv) == 0)
		if backend != nil {
			backend.Finalize()
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("trying backends: %w", context.Cause(ctx))
		}
		if s.Usable = choice.Config != ""; s.Usable {
			s.Device, s.Devices, s.Plugin = choice.Device, choice.Devices, choice.Plugin
		} else {
			reasons := make([]string, len(refusals))
			for i, r := range refusals {
				reasons[i] = r.Reason
			}
			s.Reason = strings.Join(reasons, "; ")
		}
		all = append(all, s)
	}
	return all, nil
}
