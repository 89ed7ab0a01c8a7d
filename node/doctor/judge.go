package doctor

import (
	"fmt"

	"github.com/murmurnet/murmur/node/home"
)

// How much a model of n parameters takes, in vectors of n float32.
const (
	diskVectors = 6 // a state, of up to three, and what was learned, written before older ones go
	leastFree   = 1 << 30
)

// Judge says what the facts mean.
func Judge(f Facts) Report {
	var r Report
	r.add(f.version())
	r.add(f.directory()...)
	r.add(f.daemon())
	r.add(f.port())
	if s := f.State; s != nil {
		r.add(reach(s.Reach, f.Port), peers(*s), dht(*s), trainer(*s))
		r.add(conditions(s.Health)...)
	}
	r.add(f.backend(), f.clock(), f.memory())
	return r
}

func (r *Report) add(fs ...Finding) {
	for _, f := range fs {
		if f.ID != "" {
			r.Findings = append(r.Findings, f)
		}
	}
}

func ok(id, format string, args ...any) Finding {
	return Finding{ID: id, Verdict: OK, Text: fmt.Sprintf(format, args...)}
}

func warning(id, do, format string, args ...any) Finding {
	return Finding{ID: id, Verdict: Warning, Text: fmt.Sprintf(format, args...), Do: do}
}

func problem(id, do, format string, args ...any) Finding {
	return Finding{ID: id, Verdict: Problem, Text: fmt.Sprintf(format, args...), Do: do}
}

func (f Facts) version() Finding {
	if s := f.State; s != nil && s.Version != f.Version {
		return warning("version", "restart the daemon: it ends within seconds and goes on where it was", "this program is murmur %s, and the running daemon is still %s", f.Version, s.Version)
	}
	return ok("version", "murmur %s on %s, disk version %d", f.Version, f.Platform, home.DiskVersion)
}
