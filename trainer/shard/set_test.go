package shard

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/proto"
)

func entry(name string, tokens uint64) Entry {
	return Entry{ID: proto.Sum([]byte(name)), Size: headerSize + 2*tokens, Tokens: tokens}
}

func goodSet() Set {
	return Set{
		Name: SetName, Vocab: 32000,
		Tokenizer: &Blob{proto.Sum([]byte("t")), 123456},
		Heldout:   entry("h", 1_000_000),
		Shards:    []Entry{entry("a", 1<<24), entry("b", 5)},
	}
}

func TestSetComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), SetFile)
	bytes := goodSet()
	bytes.Tokenizer, bytes.Vocab = nil, 256
	for _, want := range []Set{goodSet(), bytes} {
		if err := WriteSet(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSet(path)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("wrote %+v, read %+v, %v", want, got, err)
		}
	}
	if n := bytes.Tokens(); n != 1<<24+5 {
		t.Errorf("%d tokens", n)
	}
}

// What is written is the section as people read it in a manifest.
func TestSetAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), SetFile)
	s := goodSet()
	if err := WriteSet(path, s); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	want := `[data]
name = "shards"
vocab = 32000
[data.tokenizer]
id = "` + s.Tokenizer.ID.String() + `"
size = 123456
[data.heldout]
id = "` + s.Heldout.ID.String() + `"
size = 2000024
tokens = 1000000

[[data.shard]]
id = "` + s.Shards[0].ID.String() + `"
size = 33554456
tokens = 16777216

[[data.shard]]
id = "` + s.Shards[1].ID.String() + `"
size = 34
tokens = 5
`
	if err != nil || string(got) != want {
		t.Errorf("wrote:\n%s\n%v", got, err)
	}
}

func TestSetRefusals(t *testing.T) {
	many := make([]Entry, MaxShards+1)
	for _, tc := range []struct {
		change func(*Set)
		want   string
	}{
		{func(s *Set) { s.Name = "opticks" }, `data.name = "opticks"`},
		{func(s *Set) { s.Vocab = 0 }, "data.vocab = 0"},
		{func(s *Set) { s.Tokenizer = nil }, "without a data.tokenizer"},
		{func(s *Set) { s.Tokenizer.ID = proto.ID{} }, "data.tokenizer"},
		{func(s *Set) { s.Tokenizer.Size = MaxTokenizer + 1 }, "data.tokenizer"},
		{func(s *Set) { s.Heldout = Entry{} }, "data.heldout has no id"},
		{func(s *Set) { s.Heldout.Tokens = 0 }, "data.heldout.tokens = 0"},
		{func(s *Set) { s.Shards = nil }, "0 shards"},
		{func(s *Set) { s.Shards = many }, "4097 shards"},
		{func(s *Set) { s.Shards[1].Tokens = MaxTokens + 1 }, "data.shard 2.tokens"},
		{func(s *Set) { s.Shards[1].Tokens = 1 << 63 }, "data.shard 2.tokens"},
		{func(s *Set) { s.Shards[1].Size++ }, "data.shard 2.size = 35: 5 tokens of a vocabulary of 32000 take 34 bytes"},
		{func(s *Set) { s.Vocab = 65537 }, "data.heldout.size"},
		{func(s *Set) { s.Shards[1] = s.Shards[0] }, "data.shard 1 and data.shard 2 are the same"},
		{func(s *Set) { s.Shards[1] = s.Heldout }, "data.heldout and data.shard 2 are the same"},
	} {
		s := goodSet()
		tc.change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
		path := filepath.Join(t.TempDir(), SetFile)
		if err := WriteSet(path, s); err == nil {
			t.Errorf("wrote what is refused: %q", tc.want)
		}
	}
}

func TestParseSetRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "data.name",
		"[data]\nname = 3":                   "line 2",
		"[data]\nnam = \"shards\"":           `unknown key "data.nam"`,
		"[model]\nx = 1":                     `unknown key "model"`,
		"[data]\nvocab = 1\nvocab = 1":       "vocab",
		"[[data.shard]]\nid = \"bafy\"":      "line 2",
		strings.Repeat("#", maxSetFile+1):    "more than 1048576 bytes",
		"[data]\nname = \"shards\"\n[[data]": "line 3",
	} {
		if _, err := parseSet([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadSet(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("read a set that is not there")
	}
}

// The longest list there can be fits into the file.
func TestLongestSet(t *testing.T) {
	s := goodSet()
	s.Vocab, s.Shards = MaxVocab, nil
	for i := range MaxShards {
		e := entry(strconv.Itoa(i), MaxTokens)
		e.Size = sizeOf(s.Vocab, e.Tokens)
		s.Shards = append(s.Shards, e)
	}
	s.Heldout.Size = sizeOf(s.Vocab, s.Heldout.Tokens)
	path := filepath.Join(t.TempDir(), SetFile)
	if err := WriteSet(path, s); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSet(path); err != nil {
		t.Error(err)
	}
}

func FuzzParseSet(f *testing.F) {
	f.Add("[data]\nname = \"shards\"\nvocab = 256\n[data.heldout]\nid = \"" + proto.Sum(nil).String() + "\"\nsize = 26\ntokens = 1\n")
	f.Add("[[data.shard]]\n[data.shard.x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSet([]byte(text))
		if err == nil && s.Validate() != nil {
			t.Fatal("parsed what is refused")
		}
	})
}
