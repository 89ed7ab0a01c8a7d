package overlap

import (
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Params describe a swarm and its links.
type Params struct {
	Nodes     int
	Down, Up  float64       // bits a second of each node's link
	RoundTrip time.Duration // round trip between any two nodes
	Model     model.Config
	Batch     int           // samples of a step
	Step      time.Duration // length of an inner step on a full-speed node
	Slow      int           // times as long that the last node takes for a step
	H         uint32        // inner steps of the first round
	HMin      uint32
	HMax      uint32
	Grace     time.Duration
	Time      time.Duration // simulated time
	Seed      uint64
	Costs     Costs
}

// Costs are the times that a node takes for work which is neither a step nor a transfer.
type Costs struct {
	// Work of the device, which does no steps meanwhile.
	Capture time.Duration // copying the parameters into the exchange file
	Moments time.Duration // copying AdamW's moments too, when the local state is saved
	Add     time.Duration // adding a delta from the exchange file to the parameters

	// Work of the host, beside the steps.
	Encode    time.Duration // encoding a residual into a payload
	Apply     time.Duration // applying a round's payloads to the parent's state, and hashing it
	Delta     time.Duration // computing the change that the trainer is to add
	Store     time.Duration // writing, syncing and checking a payload
	SaveLocal time.Duration // writing the residual and the moments
	SaveState time.Duration // writing a state
}

// Home is the swarm that docs/benchmarks.md tells of: eight homes with 100/20 Mbit/s,
// 60 ms apart, a decoder of 124 million parameters in 1 bit each, steps of 2 s,
// one node at a quarter of the speed.
func Home() Params {
	m := model.Config{
		Vocab: 50304, Dim: 768, Layers: 12, Heads: 12, KVHeads: 12, HeadDim: 64, FFN: 2048, SeqLen: 1024,
		RopeTheta: 1e4, NormEps: 1e-5, Tied: true,
	}
	return Params{
		Nodes: 8, Down: 100e6, Up: 20e6, RoundTrip: 60 * time.Millisecond,
		Model: m, Batch: 16, Step: 2 * time.Second, Slow: 4,
		H: 10, HMin: 10, HMax: 1000, Grace: 2 * time.Minute,
		Time: 2 * time.Hour, Seed: 1, Costs: costs(m.Layout().Params()),
	}
}

// costs scales what was measured to a number of parameters: nanoseconds each, by
// go test -bench . of this package and of trainer/outer, on 2 cores and XLA's
// CPU plugin. A device behind PCIe takes no longer: 6 GB/s are 0.7 ns a float32.
// A disk is taken to write 500 MB/s, as a SATA SSD does.
func costs(params int) Costs {
	const (
		capture = 1.2
		moments = 1.4
		add     = 3.5
		encode  = 0.8
		apply   = 0.9 // eight payloads
		root    = 0.6
		delta   = 0.9
		disk    = 4 / 0.5
		signs   = disk / 32
		syncing = 20 * time.Millisecond
	)
	per := func(nanoseconds float64) time.Duration { return time.Duration(nanoseconds * float64(params)) }
	return Costs{
		Capture: per(capture), Moments: per(moments), Add: per(add),
		Encode: per(encode), Apply: per(apply + root), Delta: per(delta + apply/8),
		Store: per(signs) + syncing, SaveLocal: per(3*disk) + syncing, SaveState: per(disk) + syncing,
	}
}

// Validate names the first setting that cannot be simulated.
func (p Params) Validate() error {
	switch {
	case p.Nodes < 1 || p.Nodes > 64:
		return fmt.Errorf("%d nodes: 1 to 64 can be simulated", p.Nodes)
	case p.Down <= 0 || p.Up <= 0 || p.RoundTrip < 0:
		return errors.New("a link needs a bandwidth each way")
	case p.Batch < 1 || p.Step <= 0 || p.Slow < 1:
		return errors.New("a step needs samples and a time")
	case p.Time <= 0:
		return errors.New("there is no time to simulate")
	}
	return p.Model.Validate()
}

// payload is the size of a bitloco payload of a model.
func payload(m model.Config) (uint64, error) {
	b, err := codec.NewOneBit(codec.Whole(m.Layout().Sizes()), outer.DefaultChunk)
	if err != nil {
		return 0, err
	}
	return uint64(b.Max()), nil
}
