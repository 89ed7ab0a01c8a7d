package node

import (
	"errors"
	"log/slog"
	"time"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/inner"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/worker"
)

// heldoutTokens is the fixed held-out slice: 16 KiB of text.
const heldoutTokens = 16 << 10

// Params is what a Node is made from.
type Params struct {
	Dir       Dir
	Version   string
	Listen    []string // multiaddrs
	Bootstrap []string
	MDNS      bool
	Trainer   []string // the command that runs a trainer child
	Env       []string // added to its environment
	Backend   string   // wanted; empty: the best there is
	// For simulations: Engine trains inside this process, in place of a child, and
	// Net changes the network's parameters.
	Engine *worker.Engine
	Net    func(*p2p.Params)
	Log    *slog.Logger
}

// Validate says what is missing.
func (p Params) Validate() error {
	switch {
	case p.Dir == "":
		return errors.New("node: no directory")
	case len(p.Trainer) == 0 && p.Engine == nil:
		return errors.New("node: no trainer command")
	case p.Log == nil:
		return errors.New("node: no log")
	}
	return nil
}

// modelConfig is the manifest's model as the trainer knows it.
func modelConfig(m manifest.Manifest) model.Config {
	o := m.Model
	return model.Config{
		Vocab: int(o.Vocab), Dim: int(o.Dim), Layers: int(o.Layers), Heads: int(o.Heads), KVHeads: int(o.KVHeads),
		HeadDim: int(o.HeadDim), FFN: int(o.FFN), SeqLen: int(o.SeqLen),
		RopeTheta: o.RopeTheta, NormEps: o.NormEps, Tied: o.Tied,
	}
}

func workerSpec(m manifest.Manifest, backend string) worker.Spec {
	i := m.Inner
	return worker.Spec{
		Backend: backend, Model: modelConfig(m),
		Optimizer: inner.AdamW{
			Beta1: i.Beta1, Beta2: i.Beta2, Eps: i.Eps, WeightDecay: i.WeightDecay, ClipNorm: i.ClipNorm, DecayAll: i.DecayAll,
		},
		Schedule: inner.Schedule{
			Kind: i.Schedule, Peak: i.LR, Floor: i.LRFloor, Warmup: int64(i.WarmupTokens),
			Total: int64(i.TotalTokens), DecayFrom: i.DecayFrom,
		},
		Batch: int(i.Batch), Data: m.Data.Name, Heldout: heldoutTokens,
	}
}

func newMethod(m manifest.Manifest) (outer.Method, error) {
	var sizes []int
	for _, t := range modelConfig(m).Layout() {
		sizes = append(sizes, t.Size)
	}
	return outer.New(m.Method.Name, outer.Params{Sizes: sizes, Chunk: int(m.Method.Chunk), Bits: int(m.Method.Bits)})
}

// stateSize is how many bytes a snapshot has: θ as float32.
func stateSize(m manifest.Manifest) uint64 { return 4 * uint64(modelConfig(m).Layout().Params()) }

func roundConfig(m manifest.Manifest, method outer.Method, swarm proto.ID, self proto.PeerID) round.Config {
	ms := func(v uint32) time.Duration { return time.Duration(v) * time.Millisecond }
	r := m.Rounds
	return round.Config{
		Self: self, Swarm: swarm,
		StepTokens: uint64(m.Inner.Batch) * uint64(m.Model.SeqLen), SeqLen: uint64(m.Model.SeqLen),
		PayloadSize: uint64(method.PayloadSize()), StateSize: stateSize(m),
		HMin: r.HMin, HMax: r.HMax, Min: ms(r.MinMS), Max: ms(r.MaxMS), Grace: ms(r.GraceMS),
		ViewTimeout: ms(r.ViewTimeoutMS), Snapshot: uint64(r.SnapshotEvery), TotalTokens: m.Inner.TotalTokens,
	}
}
