package wire

import (
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Bounds of a heartbeat, beside the size of the message.
const (
	MaxRate     = 1e12 // tokens/s
	maxState    = 32
	MaxWhy      = 256
	MaxVersion  = 64
	maxBackend  = 64
	maxInterval = 10 * 60 * 1000 // ms
)

// CheckHeartbeat checks a heartbeat, whose author gossip has found.
func CheckHeartbeat(swarm proto.ID, h *murmurv1.Heartbeat) error {
	switch {
	case string(h.GetSwarm()) != string(swarm[:]):
		return errors.New("heartbeat of another swarm")
	case len(h.Head) != len(proto.ID{}):
		return errors.New("heartbeat with an id of wrong length")
	case !finite(h.Rate) || h.Rate < 0 || h.Rate > MaxRate:
		return fmt.Errorf("heartbeat with a rate of %v tokens a second", h.Rate)
	case len(h.State) > maxState, len(h.Why) > MaxWhy, len(h.Version) > MaxVersion, len(h.Backend) > maxBackend:
		return errors.New("heartbeat with a text that is too long")
	case !proto.Printable(h.State + h.Why + h.Version + h.Backend):
		return errors.New("heartbeat with a text that cannot be shown")
	case h.IntervalMs > maxInterval:
		return fmt.Errorf("heartbeat with an interval of %d ms", h.IntervalMs)
	}
	return nil
}
