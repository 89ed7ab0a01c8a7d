package manifest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/inner/adam"
	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/shard"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the manifests in testdata from what is encoded now")

// A swarm's id is the hash of its manifest's bytes, so a manifest that is encoded otherwise is another swarm.
func TestGolden(t *testing.T) {
	all := map[string]Manifest{"every-key": everyKey()}
	for _, method := range outer.Names() {
		m, err := For(method)
		if err != nil {
			t.Fatal(err)
		}
		m.Seed = "golden"
		all[method] = m
	}
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			got, _, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "golden", name+".pb")
			if *rewrite {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("other bytes than in %s, so every swarm with these settings would get another id:\n got %x\nwant %x", file, got, want)
			}
			decoded, _, err := Decode(want)
			if err != nil {
				t.Fatal(err)
			}
			decoded.Seed = m.Seed
			if again, _, err := decoded.Encode(); err != nil || !bytes.Equal(again, want) {
				t.Errorf("decoded and encoded again it has other bytes (%v):\n got %x\nwant %x", err, again, want)
			}
		})
	}
}

// everyKey sets each key that one manifest can have; the keys of other methods are in their defaults.
func everyKey() Manifest {
	id := func(name string) proto.ID { return proto.Sum([]byte(name)) }
	peer := func(name string) proto.PeerID {
		seed := id(name)
		return proto.PeerOf(seed[:])
	}
	m := Manifest{
		Name: "every key", MinVersion: "0.2.1", Seed: "golden",
		Model: Model{
			Config: model.Config{
				Vocab: 300, Dim: 64, Layers: 3, Heads: 4, KVHeads: 2, HeadDim: 16, FFN: 96, SeqLen: 48, RopeTheta: 20000, NormEps: 1e-6,
				RopeScaling: model.RopeScaling{Type: model.RopeYarn, Factor: 32, BetaFast: 16, BetaSlow: 2, Untruncated: true, AttentionFactor: 1.1, Original: 8192}, Tied: true,
				Family: "gemma3_text", RopeDim: 8, Unrotated: "nny", Window: 9, Windowed: "yyn", WindowTheta: 5000, AttentionBias: true, FFNBias: true,
				AttentionScale: .3, AttentionCap: 50, LogitCap: 30, LogitScale: .5, EmbeddingScale: 8, ResidualScale: .25, Padding: 3,
			},
			Origin: &shard.Blob{ID: id("origin"), Size: 77},
		},
		Data: shard.Set{
			Name: Shards, Vocab: 300, Tokenizer: &shard.Blob{ID: id("tokenizer"), Size: 1234}, Ends: []int32{2, 299},
			Heldout: shard.Entry{ID: id("heldout"), Size: 24 + 2*500, Tokens: 500},
			Shards:  []shard.Entry{{ID: id("first"), Size: 24 + 2*1000, Tokens: 1000}, {ID: id("second"), Size: 24 + 2*900, Tokens: 900}},
		},
		Method: outer.Settings{
			Name: outer.SparseLoCo, Chunk: 512, Keep: 32, Decay: .9, OuterLR: 1.1, Momentum: .5,
			Residual: outer.ResidualBuffer, Norms: "fp16", Embedding: "int8",
			Schedule: []outer.Point{{Tokens: 7000, H: 25, Keep: 16, OuterLR: .8}, {Tokens: 9000, H: 50}},
		},
		Inner: Inner{
			Optimizer: optimizer.Optimizer{
				Precision: optimizer.Float32, Kind: optimizer.Muon, Momentum: .93,
				AdamW: adam.AdamW{Beta1: .85, Beta2: .97, Eps: 1e-7, WeightDecay: .2, ClipNorm: 2, DecayAll: true},
			},
			Schedule: schedule.Schedule{Kind: schedule.WSD, LR: 3e-3, LRFloor: .2, WarmupTokens: 1000, TotalTokens: 1 << 40, DecayFrom: .7},
			Batch:    6,
		},
		Rounds: Rounds{
			H: 20, HMin: 12, HMax: 90, MinMS: 1500, MaxMS: 300_000, GraceMS: 7000, ViewTimeoutMS: 2500, SnapshotEvery: 15, MaxUpdates: 40,
		},
		Membership: Membership{Keys: []proto.PeerID{peer("key")}, Members: []proto.PeerID{peer("one"), peer("other")}},
	}
	m.Model.Weights = &shard.Blob{ID: id("weights"), Size: 4 * uint64(m.Model.Layout().Params())}
	m.Fork = &Fork{Swarm: id("before"), Height: 40, Tokens: 6000, Cursor: 70, H: 30, Order: id("order")}
	return m
}
