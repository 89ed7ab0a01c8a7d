package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/proto"
)

func random(n, vocab int) []int32 {
	rng := rand.New(rand.NewPCG(1, 2))
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = rng.Int32N(int32(vocab))
	}
	return tokens
}

func TestWriteAndRead(t *testing.T) {
	for _, tc := range []struct{ n, vocab int }{
		{1, 1},
		{1, 256},
		{100, 65536},
		{100, 65537},
		{3, MaxVocab},
		{proto.LeafSize/2 - headerSize/2, 300}, // exactly one leaf
		{proto.LeafSize/2 - headerSize/2 + 1, 300}, // a token more
		{proto.LeafSize, 300},
		{proto.LeafSize, 100_000},
	} {
		dir, tokens := t.TempDir(), random(tc.n, tc.vocab)
		e, err := Write(dir, tc.vocab, tokens)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, FileName(e.ID))
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if root := proto.HashBlob(raw).Root(); root != e.ID || e.Size != uint64(len(raw)) || e.Tokens != uint64(tc.n) {
			t.Errorf("%d of %d: entry %+v for %d bytes of root %s", tc.n, tc.vocab, e, len(raw), root)
		}
		if err := Verify(path, e.ID); err != nil {
			t.Error(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]int32, tc.n)
		if err := f.Read(got, 0); err != nil || !slices.Equal(got, tokens) || f.Tokens() != tc.n || f.Vocab() != tc.vocab {
			t.Errorf("%d of %d: read %d of %d otherwise, %v", tc.n, tc.vocab, f.Tokens(), f.Vocab(), err)
		}
		from := tc.n / 3
		if err := f.Read(got[:tc.n-from], from); err != nil || !slices.Equal(got[:tc.n-from], tokens[from:]) {
			t.Errorf("%d of %d: read otherwise from %d, %v", tc.n, tc.vocab, from, err)
		}
		for _, bad := range [][2]int{{1, -1}, {1, tc.n}, {tc.n + 1, 0}, {0, tc.n + 1}} {
			if err := f.Read(make([]int32, bad[0]), bad[1]); err == nil {
				t.Errorf("read %d from %d of %d", bad[0], bad[1], tc.n)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
			t.Errorf("left %v", names)
		}
	}
}

// The bytes of a shard are fixed: its id is its address among peers.
func TestFormatIsFixed(t *testing.T) {
	dir := t.TempDir()
	e, err := Write(dir, 1000, []int32{1, 258, 999})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, FileName(e.ID)))
	const want = "mmts\x01\x02\x00\x00\xe8\x03\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02\x01\xe7\x03"
	if err != nil || string(raw) != want {
		t.Errorf("wrote %q, %v", raw, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, tc := range []struct {
		vocab  int
		tokens []int32
		want   string
	}{
		{0, []int32{0}, "must be 1 to"},
		{10, nil, "at least one token"},
		{10, []int32{1, 10}, "token 1 is 10, and the vocabulary has 10"},
		{10, []int32{-1}, "token 0 is -1"},
		{10, make([]int32, MaxTokens+1), "at most 67108864 tokens"},
	} {
		dir := t.TempDir()
		if _, err := Write(dir, tc.vocab, tc.tokens); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%d tokens of %d: %v, want %q", len(tc.tokens), tc.vocab, err, tc.want)
		}
		if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 0 {
			t.Errorf("left %v", names)
		}
	}
	if _, err := Write(filepath.Join(t.TempDir(), "none"), 10, []int32{1}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("wrote into a folder that is not there: %v", err)
	}
}

// damaged writes a shard of 1000 tokens below 300 and changes its bytes.
func damaged(t testing.TB, change func([]byte) []byte) (path string, id proto.ID) {
	t.Helper()
	dir := t.TempDir()
	e, err := Write(dir, 300, random(1000, 300))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, FileName(e.ID))
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, e.ID
}

func set(at int, to ...byte) func([]byte) []byte {
	return func(b []byte) []byte { copy(b[at:], to); return b }
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"nothing", func([]byte) []byte { return nil }, "ends within its header, after 0 bytes"},
		{"half a header", func(b []byte) []byte { return b[:12] }, "ends within its header"},
		{"cut short", func(b []byte) []byte { return b[:1000] }, "it has 1000 bytes, its header says 2024"},
		{"too long", func(b []byte) []byte { return append(b, 0) }, "it has 2025 bytes, its header says 2024"},
		{"other magic", set(0, 'M'), "does not begin as a token shard"},
		{"later version", set(4, 2), "is of version 2, this murmur reads version 1"},
		{"odd width", set(5, 3), "makes no sense"},
		{"wide where narrow would do", set(5, 4), "makes no sense"},
		{"no vocabulary", set(8, 0, 0), "makes no sense"},
		{"vocabulary beyond int32", set(8, 0, 0, 0, 0x80), "makes no sense"},
		{"stray bytes", set(13, 1), "makes no sense"},
		{"no tokens", set(16, 0, 0), "header says 0 tokens"},
		{"tokens beyond the bound", set(16, 1, 0, 0, 4), "header says 67108865 tokens"},
		{"tokens beyond reason", set(16, 255, 255, 255, 255, 255, 255, 255, 255), "header says 18446744073709551615 tokens"},
		{"another token", set(1500, 7), "its hash is"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, id := damaged(t, tc.change)
			err := Verify(path, id)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("verify: %v, want %q", err, tc.want)
			}
			if version := tc.name == "later version"; errors.Is(err, ErrDamaged) == version {
				t.Errorf("damaged: %v", !version)
			}
		})
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("opened a folder")
	}
}

// A shard that is what its name says may still hold tokens that its vocabulary has not.
func TestTokensBeyondTheVocabulary(t *testing.T) {
	for _, tc := range []struct {
		vocab, at int
		token     uint32
	}{{300, 999, 300}, {300, 0, 65535}, {100_000, 5, 100_000}, {100_000, 999, 1<<32 - 1}} {
		h := header{tc.vocab, 1000}
		raw := h.encode(h.append(nil), make([]int32, 1000))
		if width(tc.vocab) == 2 {
			binary.LittleEndian.PutUint16(raw[headerSize+2*tc.at:], uint16(tc.token))
		} else {
			binary.LittleEndian.PutUint32(raw[headerSize+4*tc.at:], tc.token)
		}
		path := filepath.Join(t.TempDir(), "x.shard")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Verify(path, proto.HashBlob(raw).Root()); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "and the vocabulary has") {
			t.Errorf("%+v: verify: %v", tc, err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Read(make([]int32, 1), tc.at); !errors.Is(err, ErrDamaged) {
			t.Errorf("%+v: read: %v", tc, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A shard that is cut while it is open gives an error.
func TestCutWhileOpen(t *testing.T) {
	path, _ := damaged(t, func(b []byte) []byte { return b })
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Read(make([]int32, 10), 900); err == nil {
		t.Error("read beyond the end")
	}
}

func TestVerifyFolder(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, Folder)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	s := Set{Name: SetName, Vocab: 300}
	for i := range int32(3) {
		e, err := Write(folder, 300, []int32{i, 1, 2})
		if err != nil {
			t.Fatal(err)
		}
		s.Shards = append(s.Shards, e)
	}
	s.Heldout, s.Shards = s.Shards[0], s.Shards[1:]
	blob, err := WriteTokenizer(dir, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	s.Tokenizer = &blob
	verify := func(s Set) (files int, problems []string) {
		t.Helper()
		if err := VerifyFolder(t.Context(), dir, s, func(c Check) {
			files++
			if c.Err != nil {
				problems = append(problems, c.Err.Error())
			}
		}); err != nil {
			t.Fatal(err)
		}
		return files, problems
	}
	if n, problems := verify(s); n != 4 || len(problems) != 0 {
		t.Fatalf("%d files, %q", n, problems)
	}
	other := s
	other.Vocab = 400
	if _, problems := verify(other); len(problems) != 3 || !strings.Contains(problems[0], "3 tokens of a vocabulary of 300, not 3 of 400") {
		t.Errorf("another vocabulary: %q", problems)
	}
	for _, broken := range []error{
		os.Remove(filepath.Join(folder, FileName(s.Heldout.ID))),
		os.Truncate(filepath.Join(folder, FileName(s.Shards[1].ID)), 25),
		os.WriteFile(filepath.Join(dir, TokenizerFile), []byte("[]"), 0o600),
	} {
		if broken != nil {
			t.Fatal(broken)
		}
	}
	_, problems := verify(s)
	if len(problems) != 3 || !strings.Contains(problems[0], "its hash is") || !strings.Contains(problems[1], "is missing") || !strings.Contains(problems[2], "25 bytes") {
		t.Errorf("broken: %q", problems)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := VerifyFolder(ctx, dir, s, func(Check) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("went on: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	h := header{300, 3}
	f.Add(h.encode(h.append(nil), []int32{1, 2, 299}))
	h.vocab = 1 << 17
	f.Add(h.encode(h.append(nil), []int32{1, 2, 1 << 16}))
	f.Add(h.append(nil))
	f.Add([]byte(magic))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(dir, "x.shard")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		verdict := Verify(path, proto.HashBlob(raw).Root())
		file, err := Open(path)
		if err != nil {
			if verdict == nil {
				t.Fatal("verified what does not open")
			}
			return
		}
		defer file.Close()
		tokens := make([]int32, file.Tokens())
		if err := file.Read(tokens, 0); (err == nil) != (verdict == nil) {
			t.Fatalf("read: %v, verify: %v", err, verdict)
		}
		if verdict != nil {
			return
		}
		h := header{file.Vocab(), file.Tokens()}
		if again := h.encode(h.append(nil), tokens); string(again) != string(raw) {
			t.Fatal("equal tokens in other bytes")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	dir := b.TempDir()
	e, err := Write(dir, 32000, random(4<<20, 32000))
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, FileName(e.ID))
	b.SetBytes(int64(e.Size))
	for b.Loop() {
		if err := Verify(path, e.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadSample(b *testing.B) {
	dir := b.TempDir()
	e, err := Write(dir, 32000, random(4<<20, 32000))
	if err != nil {
		b.Fatal(err)
	}
	f, err := Open(filepath.Join(dir, FileName(e.ID)))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	dst, at := make([]int32, 1025), 0
	for b.Loop() {
		if err := f.Read(dst, at); err != nil {
			b.Fatal(err)
		}
		at = (at + 1_000_003) % (f.Tokens() - len(dst))
	}
}
