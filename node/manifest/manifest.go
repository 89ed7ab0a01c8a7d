// Package manifest is the description of a swarm as people write it (TOML) and
// as nodes agree on it (the wire message whose hash names the swarm).
//
// It guarantees that a manifest that parses is complete and within the ranges
// that this version of murmur can run. It must not know of networks or disks.
package manifest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"golang.org/x/mod/semver"

	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/setting"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/shard"
)

// MaxName is how many bytes a swarm's name may have.
const MaxName = 64

// Manifest describes a swarm. Its TOML form has the same shape.
type Manifest struct {
	Name       string         `toml:"name"`              // the swarm's name for people
	MinVersion string         `toml:"min_version"`       // the oldest murmur that may take part; empty: any
	Seed       string         `toml:"seed"`              // words that the initial weights follow from; empty: random weights
	Model      Model          `toml:"model"`             // the model that is trained, a Llama-family decoder
	Data       shard.Set      `toml:"data"`              // the texts that it is trained on
	Method     outer.Settings `toml:"method"`            // how nodes learn together
	Inner      Inner          `toml:"inner"`             // the inner optimizer, and its learning rate by committed tokens
	Rounds     Rounds         `toml:"rounds"`            // bounds of the round protocol
	Membership Membership     `toml:"membership"`        // who may take part; without keys and members, whoever has the link
	Adapter    *model.Adapter `toml:"adapter,omitempty"` // what is trained in place of the whole model, which comes with --from-hf
	Fork       *Fork          `toml:"fork,omitempty"`    // the state of another swarm that this one goes on from; murmur fork writes it
}

// Membership says who may take part; empty: whoever has the link.
type Membership struct {
	Keys    []proto.PeerID `toml:"keys"`    // the community's keys as peer ids, which sign invites; at most 16
	Members []proto.PeerID `toml:"members"` // peers that need no invite; at most 1024
}

// Model is a decoder, and what its weights begin with.
type Model struct {
	model.Config
	Weights   *shard.Blob  `toml:"weights,omitempty" json:"weights,omitempty"` // the initial parameters, little-endian float32; without the table they follow from the seed
	BaseFiles []shard.Blob `toml:"base,omitempty" json:"base,omitempty"`       // the safetensors files of the model under an adapter
	Origin    *shard.Blob  `toml:"origin,omitempty" json:"origin,omitempty"`   // what lay beside the initial parameters, as package checkpoint packs it
}

// Inner is the inner optimizer and its schedule by committed tokens.
type Inner struct {
	optimizer.Optimizer
	schedule.Schedule
	Batch int `toml:"batch" json:"batch"` // samples of an inner step
}

// Rounds bounds the round protocol; times are milliseconds.
type Rounds struct {
	H             uint32 `toml:"h"`               // inner steps of the first round
	HMin          uint32 `toml:"h_min"`           // the fewest inner steps that a later round is set to
	HMax          uint32 `toml:"h_max"`           // the most inner steps that a later round is set to
	MinMS         uint32 `toml:"min_ms"`          // milliseconds before which a round is never due
	MaxMS         uint32 `toml:"max_ms"`          // milliseconds after which a round is always due
	GraceMS       uint32 `toml:"grace_ms"`        // the most milliseconds that a due round waits for late payloads
	ViewTimeoutMS uint32 `toml:"view_timeout_ms"` // milliseconds after which the next node in the order closes the round
	SnapshotEvery uint32 `toml:"snapshot_every"`  // commits from one kept state to the next, which newcomers begin with
	MaxUpdates    uint32 `toml:"max_updates"`     // the most updates in a commit, each of which every node applies
}

// Default is a 0.87M-parameter model on the embedded text: small enough to
// learn on any computer.
func Default() Manifest {
	m, err := For(outer.Bitloco)
	if err != nil {
		panic(err) // a test calls it
	}
	return m
}

// For is the default with another method, and what suits that: H, the learning
// rate, the inner optimizer.
func For(method string) (Manifest, error) {
	settings, err := outer.Defaults(method)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Name: "opticks", MinVersion: "0.1.0",
		Model: Model{Config: model.Config{
			Vocab: 256, Dim: 128, Layers: 4, Heads: 4, KVHeads: 4, HeadDim: 32, FFN: 352, SeqLen: 128,
			RopeTheta: 10000, NormEps: 1e-5,
		}},
		Data:   shard.Set{Name: Opticks},
		Method: settings,
		Inner: Inner{
			Optimizer: optimizer.Optimizer{
				Kind: optimizer.Muon, Momentum: 0.95, Precision: optimizer.Float32,
				AdamW: adam.AdamW{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, ClipNorm: 1},
			},
			Schedule: schedule.Schedule{Kind: schedule.Cosine, LR: 4e-3, LRFloor: 0.1, WarmupTokens: 50_000, TotalTokens: 20_000_000, DecayFrom: 0.8},
			Batch:    8,
		},
		Rounds: Rounds{
			H: 30, HMin: 10, HMax: 100, MinMS: 1000, MaxMS: 600_000,
			GraceMS: 10_000, ViewTimeoutMS: 5_000, SnapshotEvery: 20, MaxUpdates: 64,
		},
	}
	i, r := &m.Inner, &m.Rounds
	switch method {
	case outer.DiLoCo:
		r.H, r.HMin, r.HMax = 100, 100, 500
	case outer.Streaming:
		r.H, r.HMin, r.HMax = 34, 34, 34 // a fragment of three comes to its turn every 102 steps
	case outer.AllReduce:
		i.Optimizer.Kind, i.Momentum, i.LR = optimizer.AdamW, 0, 2e-3
	case outer.DisTrO:
		i.Optimizer.Kind, i.Momentum, i.LR, i.WeightDecay = optimizer.None, 0, 1e-3, 0
	}
	if settings.Gradients() {
		r.H, r.HMin, r.HMax, r.MinMS, r.GraceMS, r.ViewTimeoutMS, r.SnapshotEvery = 1, 1, 1, 0, 3_000, 1_000, 200
	}
	return m, nil
}

// The data sets.
const (
	Opticks = "opticks" // the embedded text
	Private = "private" // texts of each node's own, which never leave it
	Shards  = shard.SetName
)

// Parse reads TOML over the defaults. Unknown keys are errors that name the
// nearest known one.
func Parse(text string) (Manifest, error) {
	// The method's name decides what the other keys are by default.
	first := struct {
		Method struct{ Name string }
	}{}
	first.Method.Name = outer.Bitloco
	m := Default()
	if _, err := toml.Decode(text, &first); err == nil {
		if m, err = For(first.Method.Name); err != nil {
			return m, err
		}
	}
	md, err := toml.Decode(text, &m)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return m, fmt.Errorf("line %d: %s", pe.Position.Line, pe.Message)
		}
		return m, err
	}
	if un := md.Undecoded(); len(un) > 0 {
		key := un[0].String()
		return m, fmt.Errorf("unknown key %q; did you mean %q?", key, Nearest(key, keys()))
	}
	complete(m.Adapter) // the model that it adapts comes later
	return m, m.Validate()
}

// Rules are the ranges of the keys. Where two name one key, the later is narrower: what this manifest's data or method
// ask for, or what a swarm may have of a model.
func (m Manifest) Rules() []setting.Rule {
	o, r, i := m.Model, m.Rounds, m.Inner
	rules := []setting.Rule{
		setting.New("name", strconv.Quote(m.Name), m.Name != "" && len(m.Name) <= MaxName && proto.Printable(m.Name) && !strings.ContainsRune(m.Name, utf8.RuneError), "1 to 64 bytes of UTF-8 text that can be shown"),
		setting.New("min_version", m.MinVersion, m.MinVersion == "" || semver.IsValid("v"+m.MinVersion), "a version such as 0.1.0"),
	}
	rules = append(rules, setting.In("model", o.Rules())...)
	// A checkpoint that is only evaluated may be made for longer samples, and with another base of the rotary frequencies,
	// than a swarm trains with.
	rules = append(
		rules,
		setting.New("model.vocab", o.Vocab, o.Vocab >= max(256, m.Data.Vocab), fmt.Sprintf("%d, which the data need, to %d", max(256, m.Data.Vocab), model.MaxVocab)),
		setting.Between("model.seq_len", o.SeqLen, 8, 8192),
		setting.New("model.rope_theta", o.RopeTheta, o.RopeTheta > 1 && o.RopeTheta < 1e9, "above 1, below 1e9"),
		setting.New("data.name", m.Data.Name, m.Data.Name == Opticks || m.Data.Name == Private || m.Data.Name == Shards, `"opticks", the embedded text, "private", a folder of each node's own, or "shards", what murmur data prepare made`),
		setting.New("method.epochs", m.Method.Epochs, m.Method.Epochs == 0 || m.Data.Name == Private, `0, unless data.name is "private"`),
	)
	if m.Adapter != nil {
		rules = append(rules, setting.In("adapter", m.Adapter.Rules())...)
	}
	rules = append(rules, setting.In("inner", append(i.Optimizer.Rules(), i.Schedule.Rules()...))...)
	return append(
		rules,
		setting.New("inner.optimizer", i.Optimizer.Kind, slices.Contains(optimizers(m.Method.Name), i.Optimizer.Kind), "adamw for allreduce, none for distro, muon or adamw for the others"),
		setting.Between("inner.batch", i.Batch, 1, optimizer.MaxBatch),
		setting.New("rounds.h", r.H, r.H >= 1, "1 or more"),
		setting.New("rounds.h_min", r.HMin, r.HMin >= 1 && r.HMin <= r.H, "1 to rounds.h"),
		setting.New("rounds.h_max", r.HMax, r.H <= r.HMax && r.HMax <= 100_000, "rounds.h to 100000"),
		setting.Between("rounds.max_ms", r.MaxMS, 100, 86_400_000),
		setting.New("rounds.min_ms", r.MinMS, r.MinMS <= r.MaxMS, "0 to rounds.max_ms"),
		setting.Between("rounds.grace_ms", r.GraceMS, 100, 3_600_000),
		setting.Between("rounds.view_timeout_ms", r.ViewTimeoutMS, 100, 3_600_000),
		setting.Between("rounds.snapshot_every", r.SnapshotEvery, 1, 1024),
		setting.Between("rounds.max_updates", r.MaxUpdates, 1, proto.MaxUpdates),
	)
}

// Validate names the first key whose value cannot be run, and its range.
func (m Manifest) Validate() error {
	if err := m.Method.Validate(); err != nil {
		return err
	}
	if err := setting.Check(m.Rules()); err != nil {
		return err
	}
	if err := errors.Join(m.validateFiles(), m.validateFork()); err != nil {
		return err
	}
	for _, p := range m.Method.Schedule {
		if r := m.Rounds; p.H != 0 && (p.H < r.HMin || p.H > r.HMax) {
			return fmt.Errorf("method.schedule: h = %d at %d tokens is out of range: rounds.h_min to rounds.h_max", p.H, p.Tokens)
		}
	}
	return nil
}

// optimizers are those that a method can have inside.
func optimizers(method string) []string {
	switch method {
	case outer.AllReduce:
		return []string{optimizer.AdamW}
	case outer.DisTrO:
		return []string{optimizer.None}
	}
	return []string{optimizer.Muon, optimizer.AdamW}
}

// Runs tells whether a client of some version may take part.
func (m Manifest) Runs(version string) error {
	if m.MinVersion != "" && semver.Compare("v"+strings.TrimSuffix(version, "-dev"), "v"+m.MinVersion) < 0 {
		return fmt.Errorf("swarm %s needs murmur %s or newer, this is %s; install a newer one", m.Name, m.MinVersion, version)
	}
	return nil
}

// Encode returns the wire bytes, whose hash is the swarm's id.
func (m Manifest) Encode() ([]byte, proto.ID, error) {
	if err := errors.Join(m.Validate(), m.validateBase()); err != nil {
		return nil, proto.ID{}, err
	}
	seed := proto.Sum([]byte("murmur/seed/1\x00" + m.Seed))
	if m.Seed == "" {
		if _, err := rand.Read(seed[:]); err != nil {
			return nil, proto.ID{}, fmt.Errorf("drawing a seed: %w", err)
		}
	}
	i, r := m.Inner, m.Rounds
	b := proto.Encode(&murmurv1.Manifest{
		Name: m.Name, MinVersion: m.MinVersion, Seed: seed[:],
		Model: encodeModel(m.Model),
		Data:  encodeData(m.Data), Membership: m.Membership.encode(),
		Method: encodeMethod(m.Method), Fork: m.Fork.encode(), Adapter: encodeAdapter(m.Adapter),
		Inner: &murmurv1.Inner{
			Lr: i.LR, LrFloor: i.LRFloor, WarmupTokens: i.WarmupTokens, TotalTokens: i.TotalTokens, Schedule: i.Schedule.Kind,
			DecayFrom: i.DecayFrom, Beta1: i.Beta1, Beta2: i.Beta2, Eps: i.Eps, WeightDecay: i.WeightDecay,
			ClipNorm: i.ClipNorm, DecayAll: i.DecayAll, Batch: uint32(i.Batch), Optimizer: i.Optimizer.Kind, Momentum: i.Momentum, Precision: i.Precision,
		},
		Rounds: &murmurv1.Rounds{
			H: r.H, HMin: r.HMin, HMax: r.HMax, MinMs: r.MinMS, MaxMs: r.MaxMS,
			GraceMs: r.GraceMS, ViewTimeoutMs: r.ViewTimeoutMS, SnapshotEvery: r.SnapshotEvery, MaxUpdates: r.MaxUpdates,
		},
	})
	return b, proto.Sum(b), nil
}

// Decode reads wire bytes and returns the manifest with its seed.
func Decode(b []byte) (Manifest, [32]byte, error) {
	var w murmurv1.Manifest
	if err := proto.Decode(b, proto.MaxManifest, &w); err != nil {
		return Manifest{}, [32]byte{}, err
	}
	if len(w.Seed) != 32 {
		return Manifest{}, [32]byte{}, fmt.Errorf("manifest has a seed of %d bytes, want 32", len(w.Seed))
	}
	i, r := w.GetInner(), w.GetRounds()
	m := Manifest{
		Name: w.Name, MinVersion: w.MinVersion,
		Model:  Model{Config: decodeModel(w.GetModel())},
		Method: decodeMethod(w.GetMethod()),
		Inner: Inner{
			Optimizer: optimizer.Optimizer{
				Kind: i.GetOptimizer(), Momentum: i.GetMomentum(), Precision: i.GetPrecision(),
				AdamW: adam.AdamW{
					Beta1: i.GetBeta1(), Beta2: i.GetBeta2(), Eps: i.GetEps(), WeightDecay: i.GetWeightDecay(),
					ClipNorm: i.GetClipNorm(), DecayAll: i.GetDecayAll(),
				},
			},
			Schedule: schedule.Schedule{
				Kind: i.GetSchedule(), LR: i.GetLr(), LRFloor: i.GetLrFloor(), WarmupTokens: i.GetWarmupTokens(),
				TotalTokens: i.GetTotalTokens(), DecayFrom: i.GetDecayFrom(),
			},
			Batch: int(i.GetBatch()),
		},
		Rounds: Rounds{
			H: r.GetH(), HMin: r.GetHMin(), HMax: r.GetHMax(), MinMS: r.GetMinMs(), MaxMS: r.GetMaxMs(),
			GraceMS: r.GetGraceMs(), ViewTimeoutMS: r.GetViewTimeoutMs(), SnapshotEvery: r.GetSnapshotEvery(), MaxUpdates: r.GetMaxUpdates(),
		},
	}
	m.Adapter = decodeAdapter(w.GetAdapter())
	m.Model.Adapter = m.Adapter
	m.Membership.decode(w.GetMembership())
	err := errors.Join(m.decodeFiles(&w), m.decodeFork(w.GetFork()))
	if err == nil {
		err = errors.Join(m.Validate(), m.validateBase())
	}
	if err != nil {
		return Manifest{}, [32]byte{}, fmt.Errorf("manifest: %w", err)
	}
	return m, [32]byte(w.Seed), nil
}
