package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
	need := 4 * memoryVectors * f.Params
	switch {
	case f.Memory == 0 || f.Params == 0:
		return Finding{}
	case f.Memory < need && (f.State == nil || !f.State.Trainer.Up):
		return warning("memory", "end other programs, or train where there is more; on a graphics card its own memory counts", "%s are free, and the model with its optimizer takes about %s", size(f.Memory), size(need))
	default:
		return ok("memory", "%s are free", size(f.Memory))
	}
}
