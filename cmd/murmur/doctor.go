package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/murmurnet/murmur/node/doctor"
	"github.com/murmurnet/murmur/xla"
)

// DoctorCmd looks for what is wrong.
type DoctorCmd struct {
	DirFlag
	Port uint16 `help:"The port that the daemon listens on, or would." default:"4101" env:"MURMUR_PORT"`
	JSON bool   `help:"Print one JSON object."`
}

// Run says what it found; a problem is an error.
func (c *DoctorCmd) Run(ctx context.Context) error {
	r, err := c.report(ctx)
	if err != nil {
		return err
	}
	if err := printed(c.JSON, r); err != nil {
		return err
	}
	switch n := r.Problems(); n {
	case 0:
		return nil
	case 1:
		return errors.New("1 problem; what to do stands below it")
	default:
		return fmt.Errorf("%d problems; what to do stands below each", n)
	}
}

func (c *DoctorCmd) report(ctx context.Context) (doctor.Report, error) {
	dir, err := c.existing()
	var usage usageError
	if errors.As(err, &usage) { // several: which one?
		return doctor.Report{}, err
	}
	return doctor.Judge(doctor.Look(ctx, doctor.Params{
		Version: version, Dir: dir, DirErr: err, Port: c.Port,
		Survey: func(ctx context.Context) ([]xla.Status, error) {
			return xla.Survey(ctx, xla.Params{Probe: xla.SelfProbe()})
		},
	})), nil
}
