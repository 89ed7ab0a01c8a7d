package manifest

import (
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// Fork says which state of another swarm this one goes on from: model.weights are that state's parameters, and
// schedules and data go on where the other swarm stood.
type Fork struct {
	Swarm  proto.ID `toml:"swarm"`  // the id of the other swarm
	Height uint64   `toml:"height"` // the commit whose state this swarm begins with
	Tokens uint64   `toml:"tokens"` // tokens that the other swarm had committed up to there
	Cursor uint64   `toml:"cursor"` // the first data position that the other swarm had not taken
	H      uint32   `toml:"h"`      // inner steps of the first round, rounds.h_min to rounds.h_max
	Order  proto.ID `toml:"order"`  // the id of the swarm that the order of samples follows from: swarm, or what that was forked from
}

// Order is the id that the order of samples follows from, in the swarm with this id.
func (m Manifest) Order(swarm proto.ID) proto.ID {
	if m.Fork != nil {
		return m.Fork.Order
	}
	return swarm
}

// maxCount bounds a fork's tokens and cursor, which later ones are added to.
const maxCount = 1 << 50

func (m Manifest) validateFork() error {
	f, r := m.Fork, m.Rounds
	switch {
	case f == nil:
		return nil
	case m.Model.Weights == nil:
		return errors.New("fork: model.weights must name the parameters that it begins with")
	case f.Swarm.IsZero() || f.Order.IsZero():
		return errors.New("fork: it needs the ids swarm and order")
	case f.Tokens >= maxCount || f.Cursor >= maxCount || f.Height >= maxCount:
		return fmt.Errorf("fork: height, tokens and cursor must be below %d", uint64(maxCount))
	case f.H < r.HMin || f.H > r.HMax:
		return fmt.Errorf("fork.h = %d is out of range: rounds.h_min to rounds.h_max", f.H)
	}
	return nil
}

func (f *Fork) encode() *murmurv1.Fork {
	if f == nil {
		return nil
	}
	return &murmurv1.Fork{Swarm: f.Swarm[:], Height: f.Height, Tokens: f.Tokens, Cursor: f.Cursor, H: f.H, Order: f.Order[:]}
}

func (m *Manifest) decodeFork(w *murmurv1.Fork) error {
	if w == nil {
		return nil
	}
	swarm, err := proto.IDFrom(w.Swarm)
	if err != nil {
		return fmt.Errorf("fork.swarm: %w", err)
	}
	order, err := proto.IDFrom(w.Order)
	if err != nil {
		return fmt.Errorf("fork.order: %w", err)
	}
	m.Fork = &Fork{Swarm: swarm, Height: w.Height, Tokens: w.Tokens, Cursor: w.Cursor, H: w.H, Order: order}
	return nil
}
