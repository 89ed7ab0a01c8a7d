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
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/shard"
)

// MaxName is how many bytes a swarm's name may have.
const MaxName = 64

// Manifest describes a swarm. Its TOML form has the same shape.
type Manifest struct {
	Name       string         `toml:"name"`
	MinVersion string         `toml:"min_version"`
	Seed       string         `toml:"seed"` // words that the initial weights follow from; empty: random
	Model      Model          `toml:"model"`
	Data       shard.Set      `toml:"data"`
	Method     outer.Settings `toml:"method"`
	Inner      Inner          `toml:"inner"`
	Rounds     Rounds         `toml:"rounds"`
	Membership Membership     `toml:"membership"`
	Fork       *Fork          `toml:"fork,omitempty"` // nil: the swarm begins with nothing learned
}

// Membership says who may take part; empty: whoever has the link. Keys are the
// community's, which sign invites, as peer ids; Members are peers that need none.
type Membership struct {
	Keys    []proto.PeerID `toml:"keys"`
	Members []proto.PeerID `toml:"members"`
}

// Model is a Llama-family decoder.
type Model struct {
	Vocab       uint32            `toml:"vocab"`
	Dim         uint32            `toml:"dim"`
	Layers      uint32            `toml:"layers"`
	Heads       uint32            `toml:"heads"`
	KVHeads     uint32            `toml:"kv_heads"`
	HeadDim     uint32            `toml:"head_dim"`
	FFN         uint32            `toml:"ffn"`
	SeqLen      uint32            `toml:"seq_len"`
	RopeTheta   float64           `toml:"rope_theta"`
	RopeScaling model.RopeScaling `toml:"rope_scaling"` // zero: none
	NormEps     float64           `toml:"norm_eps"`
	Tied        bool              `toml:"tied"`
	// Weights are the initial parameters, little-endian float32; nil: they follow from the seed. Origin is what
	// lay beside them, as package checkpoint packs it.
	Weights *shard.Blob `toml:"weights,omitempty"`
	Origin  *shard.Blob `toml:"origin,omitempty"`
}

// Inner is the inner optimizer and its schedule by committed tokens.
type Inner struct {
	Optimizer    string  `toml:"optimizer"` // "muon" or "adamw"; "none" for distro, which steps by itself
	Momentum     float64 `toml:"momentum"`  // muon's
	LR           float64 `toml:"lr"`
	LRFloor      float64 `toml:"lr_floor"`
	WarmupTokens uint64  `toml:"warmup_tokens"`
	TotalTokens  uint64  `toml:"total_tokens"`
	Schedule     string  `toml:"schedule"`
	DecayFrom    float64 `toml:"decay_from"`
	Beta1        float64 `toml:"beta1"`
	Beta2        float64 `toml:"beta2"`
	Eps          float64 `toml:"eps"`
	WeightDecay  float64 `toml:"weight_decay"`
	ClipNorm     float64 `toml:"clip_norm"`
	DecayAll     bool    `toml:"decay_all"`
	Batch        uint32  `toml:"batch"`
}

// Rounds bounds the round protocol; times are milliseconds.
type Rounds struct {
	H             uint32 `toml:"h"`
	HMin          uint32 `toml:"h_min"`
	HMax          uint32 `toml:"h_max"`
	MinMS         uint32 `toml:"min_ms"`
	MaxMS         uint32 `toml:"max_ms"`
	GraceMS       uint32 `toml:"grace_ms"`
	ViewTimeoutMS uint32 `toml:"view_timeout_ms"`
	SnapshotEvery uint32 `toml:"snapshot_every"`
	MaxUpdates    uint32 `toml:"max_updates"` // in a commit: every node applies each of them
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
		Model: Model{
			Vocab: 256, Dim: 128, Layers: 4, Heads: 4, KVHeads: 4, HeadDim: 32, FFN: 352, SeqLen: 128,
			RopeTheta: 10000, NormEps: 1e-5,
		},
		Data:   shard.Set{Name: Opticks},
		Method: settings,
		Inner: Inner{
			Optimizer: Muon, Momentum: 0.95,
			LR: 4e-3, LRFloor: 0.1, WarmupTokens: 50_000, TotalTokens: 20_000_000, Schedule: "cosine", DecayFrom: 0.8,
			Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, WeightDecay: 0.1, ClipNorm: 1, Batch: 8,
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
		i.Optimizer, i.Momentum, i.LR = AdamW, 0, 2e-3
	case outer.DisTrO:
		i.Optimizer, i.Momentum, i.LR, i.WeightDecay = None, 0, 1e-3, 0
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

// The inner optimizers.
const (
	Muon  = "muon" // hidden matrices; AdamW on the rest
	AdamW = "adamw"
	None  = "none" // the method makes the steps, of gradients
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
	return m, m.Validate()
}

// Validate names the first key whose value cannot be run, and its range.
func (m Manifest) Validate() error {
	if err := m.Method.Validate(); err != nil {
		return err
	}
	o, r, i := m.Model, m.Rounds, m.Inner
	for _, c := range []struct {
		ok  bool
		key string
		val any
		rng string
	}{
		{m.Name != "" && len(m.Name) <= MaxName && proto.Printable(m.Name) && !strings.ContainsRune(m.Name, utf8.RuneError), "name", strconv.Quote(m.Name), "1 to 64 bytes of UTF-8 text that can be shown"},
		{m.MinVersion == "" || semver.IsValid("v"+m.MinVersion), "min_version", m.MinVersion, "a version such as 0.1.0"},
		{o.Vocab >= 256 && o.Vocab <= model.MaxVocab && int(o.Vocab) >= m.Data.Vocab, "model.vocab", o.Vocab, fmt.Sprintf("%d, which the data need, to %d", max(256, m.Data.Vocab), model.MaxVocab)},
		{o.Layers >= 1 && o.Layers <= 256, "model.layers", o.Layers, "1..256"},
		{o.Dim >= 8 && o.Dim <= 16384, "model.dim", o.Dim, "8..16384"},
		{o.Heads >= 1 && o.Heads <= 256, "model.heads", o.Heads, "1..256"},
		{o.KVHeads >= 1 && o.KVHeads <= o.Heads && o.Heads%o.KVHeads == 0, "model.kv_heads", o.KVHeads, "a divisor of model.heads"},
		{o.HeadDim >= 2 && o.HeadDim <= 512 && o.HeadDim%2 == 0, "model.head_dim", o.HeadDim, "an even number, 2..512"},
		{o.FFN >= 8 && o.FFN <= 65536, "model.ffn", o.FFN, "8..65536"},
		{o.SeqLen >= 8 && o.SeqLen <= 8192, "model.seq_len", o.SeqLen, "8..8192"},
		{o.RopeTheta > 1 && o.RopeTheta < 1e9, "model.rope_theta", o.RopeTheta, "above 1, below 1e9"},
		{o.NormEps > 0 && o.NormEps < 0.1, "model.norm_eps", o.NormEps, "above 0, below 0.1"},
		{m.Data.Name == Opticks || m.Data.Name == Private || m.Data.Name == Shards, "data.name", m.Data.Name, `"opticks", the embedded text, "private", a folder of each node's own, or "shards", what murmur data prepare made`},
		{m.Method.Epochs == 0 || m.Data.Name == Private, "method.epochs", m.Method.Epochs, `0, unless data.name is "private"`},
		{slices.Contains(optimizers(m.Method.Name), i.Optimizer), "inner.optimizer", i.Optimizer, strings.Join(optimizers(m.Method.Name), " or ") + " for " + m.Method.Name},
		{i.Momentum >= 0 && i.Momentum < 1, "inner.momentum", i.Momentum, "0 to below 1"},
		{i.LR > 0 && i.LR < 1, "inner.lr", i.LR, "above 0, below 1"},
		{i.LRFloor >= 0 && i.LRFloor <= 1, "inner.lr_floor", i.LRFloor, "0..1"},
		{i.TotalTokens > 0 && i.TotalTokens < 1<<50, "inner.total_tokens", i.TotalTokens, "above 0"},
		{i.WarmupTokens < i.TotalTokens, "inner.warmup_tokens", i.WarmupTokens, "below inner.total_tokens"},
		{i.Schedule == "cosine" || i.Schedule == "wsd" || i.Schedule == "constant", "inner.schedule", i.Schedule, `"cosine", "wsd" or "constant"`},
		{i.DecayFrom > 0 && i.DecayFrom < 1, "inner.decay_from", i.DecayFrom, "above 0, below 1"},
		{i.Beta1 >= 0 && i.Beta1 < 1, "inner.beta1", i.Beta1, "0 to below 1"},
		{i.Beta2 >= 0 && i.Beta2 < 1, "inner.beta2", i.Beta2, "0 to below 1"},
		{i.Eps > 0 && i.Eps < 1, "inner.eps", i.Eps, "above 0, below 1"},
		{i.WeightDecay >= 0 && i.WeightDecay < 10, "inner.weight_decay", i.WeightDecay, "0 to below 10"},
		{i.ClipNorm >= 0, "inner.clip_norm", i.ClipNorm, "0 (off) or more"},
		{i.Batch >= 1 && i.Batch <= 4096, "inner.batch", i.Batch, "1..4096"},
		{r.H >= 1, "rounds.h", r.H, "1 or more"},
		{r.HMin >= 1 && r.HMin <= r.H, "rounds.h_min", r.HMin, "1 to rounds.h"},
		{r.H <= r.HMax && r.HMax <= 100_000, "rounds.h_max", r.HMax, "rounds.h to 100000"},
		{r.MaxMS >= 100 && r.MaxMS <= 86_400_000, "rounds.max_ms", r.MaxMS, "100..86400000"},
		{r.MinMS <= r.MaxMS, "rounds.min_ms", r.MinMS, "0 to rounds.max_ms"},
		{r.GraceMS >= 100 && r.GraceMS <= 3_600_000, "rounds.grace_ms", r.GraceMS, "100..3600000"},
		{r.ViewTimeoutMS >= 100 && r.ViewTimeoutMS <= 3_600_000, "rounds.view_timeout_ms", r.ViewTimeoutMS, "100..3600000"},
		{r.SnapshotEvery >= 1 && r.SnapshotEvery <= 1024, "rounds.snapshot_every", r.SnapshotEvery, "1..1024"},
		{r.MaxUpdates >= 1 && r.MaxUpdates <= proto.MaxUpdates, "rounds.max_updates", r.MaxUpdates, fmt.Sprintf("1..%d", proto.MaxUpdates)},
	} {
		if !c.ok {
			return fmt.Errorf("%s = %v is out of range: %s", c.key, c.val, c.rng)
		}
	}
	if err := errors.Join(m.validateFiles(), m.validateFork()); err != nil {
		return err
	}
	for _, p := range m.Method.Schedule {
		if p.H != 0 && (p.H < r.HMin || p.H > r.HMax) {
			return fmt.Errorf("method.schedule: h = %d at %d tokens is out of range: rounds.h_min to rounds.h_max", p.H, p.Tokens)
		}
	}
	return nil
}

// optimizers are those that a method can have inside.
func optimizers(method string) []string {
	switch method {
	case outer.AllReduce:
		return []string{AdamW}
	case outer.DisTrO:
		return []string{None}
	}
	return []string{Muon, AdamW}
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
	if err := m.Validate(); err != nil {
		return nil, proto.ID{}, err
	}
	seed := proto.Sum([]byte("murmur/seed/1\x00" + m.Seed))
	if m.Seed == "" {
		if _, err := rand.Read(seed[:]); err != nil {
			return nil, proto.ID{}, fmt.Errorf("drawing a seed: %w", err)
		}
	}
	o, i, r := m.Model, m.Inner, m.Rounds
	b := proto.Encode(&murmurv1.Manifest{
		Name: m.Name, MinVersion: m.MinVersion, Seed: seed[:],
		Model: &murmurv1.Model{
			Vocab: o.Vocab, Dim: o.Dim, Layers: o.Layers, Heads: o.Heads, KvHeads: o.KVHeads, HeadDim: o.HeadDim,
			Ffn: o.FFN, SeqLen: o.SeqLen, RopeTheta: o.RopeTheta, NormEps: o.NormEps, Tied: o.Tied,
			Weights: encodeBlob(o.Weights), Origin: encodeBlob(o.Origin), RopeScaling: encodeScaling(o.RopeScaling),
		},
		Data: encodeData(m.Data), Membership: m.Membership.encode(),
		Method: encodeMethod(m.Method), Fork: m.Fork.encode(),
		Inner: &murmurv1.Inner{
			Lr: i.LR, LrFloor: i.LRFloor, WarmupTokens: i.WarmupTokens, TotalTokens: i.TotalTokens, Schedule: i.Schedule,
			DecayFrom: i.DecayFrom, Beta1: i.Beta1, Beta2: i.Beta2, Eps: i.Eps, WeightDecay: i.WeightDecay,
			ClipNorm: i.ClipNorm, DecayAll: i.DecayAll, Batch: i.Batch, Optimizer: i.Optimizer, Momentum: i.Momentum,
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
	o, i, r := w.GetModel(), w.GetInner(), w.GetRounds()
	m := Manifest{
		Name: w.Name, MinVersion: w.MinVersion,
		Model: Model{
			Vocab: o.GetVocab(), Dim: o.GetDim(), Layers: o.GetLayers(), Heads: o.GetHeads(), KVHeads: o.GetKvHeads(),
			HeadDim: o.GetHeadDim(), FFN: o.GetFfn(), SeqLen: o.GetSeqLen(), RopeTheta: o.GetRopeTheta(),
			NormEps: o.GetNormEps(), Tied: o.GetTied(), RopeScaling: decodeScaling(o.GetRopeScaling()),
		},
		Method: decodeMethod(w.GetMethod()),
		Inner: Inner{
			LR: i.GetLr(), LRFloor: i.GetLrFloor(), WarmupTokens: i.GetWarmupTokens(), TotalTokens: i.GetTotalTokens(),
			Schedule: i.GetSchedule(), DecayFrom: i.GetDecayFrom(), Beta1: i.GetBeta1(), Beta2: i.GetBeta2(),
			Eps: i.GetEps(), WeightDecay: i.GetWeightDecay(), ClipNorm: i.GetClipNorm(), DecayAll: i.GetDecayAll(),
			Batch: i.GetBatch(), Optimizer: i.GetOptimizer(), Momentum: i.GetMomentum(),
		},
		Rounds: Rounds{
			H: r.GetH(), HMin: r.GetHMin(), HMax: r.GetHMax(), MinMS: r.GetMinMs(), MaxMS: r.GetMaxMs(),
			GraceMS: r.GetGraceMs(), ViewTimeoutMS: r.GetViewTimeoutMs(), SnapshotEvery: r.GetSnapshotEvery(), MaxUpdates: r.GetMaxUpdates(),
		},
	}
	m.Membership.decode(w.GetMembership())
	err := errors.Join(m.decodeFiles(&w), m.decodeFork(w.GetFork()))
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return Manifest{}, [32]byte{}, fmt.Errorf("manifest: %w", err)
	}
	return m, [32]byte(w.Seed), nil
}
