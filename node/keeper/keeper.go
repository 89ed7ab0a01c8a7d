// Package keeper keeps the trainer up: it starts a process for each device, starts them again when they end, and lends them the
// devices.
//
// It guarantees that at most one process runs on a device, that the executor has let go of its exchange file before that goes,
// and that a device which is wanted otherwise is given back at once. It must not know what is learned, nor how peers are reached.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/executor"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/trainer/worker"
)

// Executor holds the trainer's session.
type Executor interface {
	Attach(ctx context.Context, t executor.Trainer) error
	NoteProgress(g worker.Progress)
	Yield(t executor.Trainer)
	Detach(t executor.Trainer)
}

// Params say how trainers are started.
type Params struct {
	Command  []string           // command that runs a trainer child
	Engine   *worker.Engine     // trainer inside this process, in place of a child; nil: none
	Env      []string           // additions to the child's environment
	Devices  []int              // numbers of the graphics cards, a trainer each; empty: the first card
	Exchange func(i int) string // path of a device's exchange file
	Spec     worker.Spec
	Executor Executor
	Status   *status.Board
	Diary    *event.Log
	Log      *slog.Logger
}

// Validate says what is missing.
func (p Params) Validate() error {
	switch {
	case len(p.Command) == 0 && p.Engine == nil:
		return errors.New("keeper: no trainer command")
	case p.Exchange == nil || p.Executor == nil || p.Status == nil || p.Diary == nil || p.Log == nil:
		return errors.New("keeper: no exchange file, executor, status, diary or log")
	}
	return nil
}

const (
	restartFirst = 500 * time.Millisecond
	restartMost  = time.Minute
	steady       = time.Minute // a trainer that ran so long has earned a quick restart
)

// Keeper keeps one node's trainer up.
type Keeper struct {
	p     Params
	lease lease
}

// New returns a keeper that starts nothing before Run.
func New(p Params) (*Keeper, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Keeper{p: p}, nil
}

// Lend takes the decision whether the trainer is to give the device back, and why.
func (k *Keeper) Lend(yield bool, why string) { k.lease.set(yield, why) }

// Run keeps a trainer up until ctx ends, or until this node's own files cannot be used, which is the error.
func (k *Keeper) Run(ctx context.Context) error {
	pause, less := restartFirst, 0
	for ctx.Err() == nil {
		had, done := k.lease.take(ctx)
		if had == nil {
			break
		}
		began := time.Now()
		err := k.run(had, less)
		yielded := errors.Is(context.Cause(had), executor.ErrYielded)
		done()
		switch {
		case ctx.Err() != nil:
			continue
		case yielded:
			k.p.Status.TrainerYielded()
			k.p.Diary.Add(event.Trainer, 0, "the trainer has given the device back: "+k.lease.last())
			pause = restartFirst
			continue
		case errors.Is(err, executor.ErrReplica):
			return err
		case errors.Is(err, worker.ErrKilledForMemory):
			if less < worker.MaxLess {
				less++
			}
			err = fmt.Errorf("%w; the next one takes half as many samples at once, as far as it can", err)
		}
		k.p.Status.TrainerEnded(err, time.Now())
		k.p.Diary.Add(event.Trainer, 0, err.Error())
		k.p.Log.Warn("Trainer ended", "error", err)
		if time.Since(began) > steady {
			pause = restartFirst
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, restartMost)
	}
	return nil
}

// run starts the trainers and returns when they have ended; less is how often the step that memory seems to allow is halved.
func (k *Keeper) run(ctx context.Context, less int) (err error) {
	ps := k.trainers()
	for i := range ps {
		ps[i].Spec.Less = less
	}
	p, err := worker.StartIsland(ctx, ps)
	if err != nil {
		return err
	}
	k.p.Status.TrainerStarted(p.Pids()) // the senses must not take these processes for other programs on the card
	// The executor may hold views of the exchange file: it lets go before the file does.
	defer func() {
		if errors.Is(context.Cause(ctx), executor.ErrYielded) {
			k.p.Executor.Yield(p)
		}
		p.Stop()
		k.p.Executor.Detach(p)
		err = errors.Join(err, p.Release())
	}()
	// The first load compiles for seconds. It runs outside the executor, so that rounds go on.
	if err := p.Load(ctx, 0, false); err != nil {
		return err
	}
	if err := k.p.Executor.Attach(ctx, p); err != nil {
		return err
	}
	ready := p.Ready()
	k.p.Status.TrainerReady(p.Pid(), ready, p.Devices())
	k.p.Diary.Add(event.Trainer, 0, fmt.Sprintf("the trainer is ready on %s (%s)", ready.Backend, strings.Join(p.Devices(), ", ")))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.Done():
			if err := p.Err(); err != nil {
				return err
			}
			return errors.New("the trainer stopped")
		case g := <-p.Progress():
			k.p.Executor.NoteProgress(g)
		}
	}
}

// trainers say how to start a trainer for each device.
func (k *Keeper) trainers() (ps []worker.Params) {
	for i := range max(len(k.p.Devices), 1) {
		p := worker.Params{
			Command: k.p.Command, Inside: k.p.Engine, Env: k.p.Env, Exchange: k.p.Exchange(i), Spec: k.p.Spec, Log: k.p.Log,
		}
		// Cards are numbered as the driver does, which senses/device asks; CUDA's own order is by speed.
		p.Env = slices.Concat(p.Env, []string{"CUDA_DEVICE_ORDER=PCI_BUS_ID"})
		if len(k.p.Devices) > 0 { // each kind of plugin looks at its own
			card := strconv.Itoa(k.p.Devices[i])
			p.Env = slices.Concat(p.Env, []string{"CUDA_VISIBLE_DEVICES=" + card, "HIP_VISIBLE_DEVICES=" + card})
		}
		ps = append(ps, p)
	}
	return ps
}
