package manifest

import (
	"reflect"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
	"github.com/murmurnet/murmur/trainer/shard"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"known", "name = \"x\"\n[rounds]\nh = 20\n", ""},
		{"unknown key names the nearest", "[rounds]\nhmin = 3\n", `unknown key "rounds.hmin"; did you mean "rounds.h_min"?`},
		{"unknown key in the wrong table", "lr = 1e-3\n", `did you mean "inner.lr"?`},
		{"out of range names key, value and range", "[inner]\nlr = 3.0\n", "inner.lr = 3 is out of range: above 0, below 1"},
		{"a method by its name", "[method]\nname = \"sparseloco\"\nkeep = 32\n", ""},
		{"a method with a schedule", "[method]\nname = \"sparseloco\"\n[[method.schedule]]\ntokens = 5\nkeep = 32\nh = 50\n", ""},
		{"a name that a terminal would act on", "name = \"a\\u001b[2Jb\"\n", `name = "a\x1b[2Jb" is out of range: 1 to 64 bytes of UTF-8 text that can be shown`},
		{"a name in another encoding, of which a shell hands over what it could read", "name = \"caf\uFFFD\"\n", `name = "caf�" is out of range: 1 to 64 bytes of UTF-8 text that can be shown`},
		{"unknown method", "[method]\nname = \"pigeon\"\n", `method.name = "pigeon" is out of range: bitloco, sparseloco`},
		{"a key that the method does not have", "[method]\nkeep = 3\n", "method.keep is nothing that bitloco has; its keys are: bits, chunk, outer_lr, momentum, residual"},
		{"a method's key out of range", "[method]\nname = \"diloco\"\nvalues = \"int4\"\n", "method.values = int4 is out of range for diloco: fp32, fp16, int8, fp4"},
		{"an optimizer that does not go with the method", "[method]\nname = \"allreduce\"\n[inner]\noptimizer = \"muon\"\n", "inner.optimizer = muon is out of range: adamw for allreduce"},
		{"unknown key in a schedule", "[[method.schedule]]\ntokens = 5\nouter = 0.5\n", `did you mean "method.schedule.outer_lr"?`},
		{"a schedule beyond the bounds", "[[method.schedule]]\ntokens = 5\nh = 101\n", "h = 101 at 5 tokens is out of range: rounds.h_min to rounds.h_max"},
		{"not TOML", "name = \n", "line 1"},
		{"wrong type", "[model]\ndim = \"big\"\n", "line 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(tc.text)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestEncodeDecode(t *testing.T) {
	for _, method := range outer.Names() {
		m, err := For(method)
		if err != nil {
			t.Fatal(err)
		}
		m.Seed = "a fixed seed"
		if method != outer.AllReduce {
			m.Method.Schedule = []outer.Point{{Tokens: 7}, {Tokens: 9, H: m.Rounds.HMax}}
			m.Model.RopeScaling = model.RopeScaling{Type: model.RopeLlama3, Factor: 32, Low: 1, High: 4, Original: 8192}
		}
		t.Run(method, func(t *testing.T) {
			encodeDecode(t, m)
			encodeDecode(t, forked(m))
			m.Model.RopeDim = 4
			m.Model.RopeScaling = model.RopeScaling{Type: model.RopeLongrope, AttentionFactor: 1.2, Short: []float64{1, 2}, Long: []float64{3, 4.5}, Original: 64}
			encodeDecode(t, m)
		})
	}
}

// forked is a swarm that goes on from a state of another one.
func forked(m Manifest) Manifest {
	m.Model.Weights = &shard.Blob{ID: proto.Sum([]byte("weights")), Size: 4 * uint64(m.Model.Layout().Params())}
	m.Fork = &Fork{Swarm: proto.Sum([]byte("before")), Height: 40, Tokens: 9000, Cursor: 70, H: m.Rounds.HMax, Order: proto.Sum([]byte("first"))}
	return m
}

func TestFork(t *testing.T) {
	id := proto.Sum([]byte("this"))
	if got := Default().Order(id); got != id {
		t.Errorf("a swarm that begins with nothing has the order of %s", got)
	}
	if m := forked(Default()); m.Order(id) != m.Fork.Order {
		t.Errorf("a fork has the order of %s", m.Order(id))
	}
	for name, tc := range map[string]struct {
		harm func(*Manifest)
		want string
	}{
		"no weights":       {func(m *Manifest) { m.Model.Weights = nil }, "model.weights"},
		"no swarm":         {func(m *Manifest) { m.Fork.Swarm = proto.ID{} }, "the ids swarm and order"},
		"no order":         {func(m *Manifest) { m.Fork.Order = proto.ID{} }, "the ids swarm and order"},
		"too many tokens":  {func(m *Manifest) { m.Fork.Tokens = maxCount }, "must be below"},
		"too far a cursor": {func(m *Manifest) { m.Fork.Cursor = 1 << 63 }, "must be below"},
		"no steps":         {func(m *Manifest) { m.Fork.H = 0 }, "fork.h = 0 is out of range"},
		"too many steps":   {func(m *Manifest) { m.Fork.H = m.Rounds.HMax + 1 }, "fork.h = 101 is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			m := forked(Default())
			tc.harm(&m)
			if _, _, err := m.Encode(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func encodeDecode(t *testing.T, m Manifest) {
	b, id, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b2, id2, err := m.Encode()
	if err != nil || id != id2 || string(b) != string(b2) {
		t.Fatalf("the same manifest has ids %s and %s (%v)", id, id2, err)
	}
	got, seed, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	got.Seed = m.Seed
	if !reflect.DeepEqual(got, m) || seed == [32]byte{} {
		t.Fatalf("decoded %+v, want %+v", got, m)
	}
	m.Seed = ""
	_, r1, _ := m.Encode()
	_, r2, _ := m.Encode()
	if r1 == r2 {
		t.Fatal("two swarms with random seeds have one id")
	}
}

func FuzzDecode(f *testing.F) {
	m := Default()
	b, _, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	if b, _, err = forked(m).Encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, _, err := Decode(b); err == nil && m.Validate() != nil {
			t.Fatal("an invalid manifest was accepted")
		}
	})
}
