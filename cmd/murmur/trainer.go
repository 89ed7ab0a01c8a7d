package main

import (
	"context"

	"github.com/murmurnet/murmur/trainer/toy"
	"github.com/murmurnet/murmur/trainer/worker"
	"github.com/murmurnet/murmur/xla"
)

// TrainerCmd is the trainer child of murmur up.
type TrainerCmd struct{}

// Run serves the daemon on stdin and stdout.
func (c *TrainerCmd) Run(ctx context.Context) error {
	return worker.Main(ctx, toy.Or(worker.GoMLX(openDevice)))
}

// checkBackend says what is wrong with a backend's name. The benches' toy is one that no help text offers.
func checkBackend(want string) error {
	if toy.Names(want) {
		_, err := toy.StepTime(want)
		return err
	}
	return xla.Params{Want: want}.Validate()
}

// openDevice opens a backend for a trainer.
func openDevice(want string) (worker.Device, error) {
	backend, choice, err := xla.Open(context.Background(), xla.Params{Want: want, Probe: xla.SelfProbe()})
	if err != nil {
		return worker.Device{}, err
	}
	d := worker.Device{Backend: backend, Config: choice.Config, Name: choice.Device}
	for _, r := range choice.Refusals {
		d.Refusals = append(d.Refusals, r.Config+": "+r.Reason)
	}
	return d, nil
}
