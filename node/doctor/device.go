package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/fits"
)

func (f Facts) backend() Finding {
	if f.BackendErr != nil {
		return problem("backend", "see murmur xla", "%v", f.BackendErr)
	}
	var refused []string
	for _, b := range f.Backends {
		if b.Usable {
			text := fmt.Sprintf("training runs on %s (%s)", b.Name, cmp.Or(b.Device, b.Config))
			if len(refused) > 0 {
				return warning("backend", "what the sentence says, where it says something; murmur xla shows more", "%s, and not on something faster: %s", text, strings.Join(refused, "; "))
			}
			return ok("backend", "%s", text)
		}
		if !absent(b.Reason) && !slices.Contains(refused, b.Reason) {
			refused = append(refused, b.Reason)
		}
	}
	return problem("backend", "see murmur xla", "nothing works: %s", strings.Join(refused, "; "))
}

// absent tells that a backend is refused for want of a device that one cannot install.
func absent(reason string) bool {
	return strings.HasPrefix(reason, "no NVIDIA GPU found") || strings.HasPrefix(reason, "no AMD GPU")
}

func (f Facts) clock() Finding {
	switch f.Clock {
	case ClockSteered:
		return ok("clock", "the machine keeps it right")
	case ClockFree:
		return warning("clock", "turn on network time, as with timedatectl set-ntp true", "the kernel says that nobody keeps it right: hours, invites and pauses go by it")
	default:
		return Finding{}
	}
}

func (f Facts) memory() Finding {
	switch {
	case f.Memory == 0 || f.Params == 0:
		return Finding{}
	case f.Fit.Lacks == "memory" && (f.State == nil || !f.State.Trainer.Up):
		return warning("memory", "end other programs; murmur fits says what else would help", "%s are free, and %s", fits.Size(f.Memory), f.Fit.Line())
	default:
		return ok("memory", "%s are free", fits.Size(f.Memory))
	}
}
