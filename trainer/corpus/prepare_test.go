package corpus

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/trainer/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// letters is a tokenizer of bytes, as package token's is.
type letters struct{}

func (letters) Vocab() int           { return 256 }
func (letters) Ends() []int32        { return []int32{0} }
func (letters) Begin() (int32, bool) { return 0, false }
func (letters) Append(dst []int32, text string) []int32 {
	for i := range len(text) {
		dst = append(dst, int32(text[i]))
	}
	return dst
}

func write(t testing.TB, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

func zstandard(text string) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

type row struct {
	ID   int64    `parquet:"id"`
	Text *string  `parquet:"text,optional,dict"`
	Tags []string `parquet:"tags"`
}

func parquetOf(rows []row, perGroup int64) []byte {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.MaxRowsPerRowGroup(perGroup), parquet.Compression(&parquet.Snappy))
	if _, err := w.Write(rows); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func params(out string, sources ...string) Params {
	return Params{Sources: sources, Out: out, Tokenizer: letters{}, Column: "text", ShardTokens: 1000, Heldout: 1}
}

// spelled is a shard's text.
func spelled(t testing.TB, dir string, e shard.Entry) string {
	t.Helper()
	path := filepath.Join(dir, shard.Folder, shard.FileName(e.ID))
	if err := shard.Verify(path, e.ID); err != nil {
		t.Fatal(err)
	}
	f, err := shard.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tokens := make([]int32, f.Tokens())
	if err := f.Read(tokens, 0); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, len(tokens))
	for i, n := range tokens {
		text[i] = byte(n)
	}
	return string(text)
}

// trained is the text to train on, and the one that is held out.
func trained(t testing.TB, r Report) (train, held string) {
	t.Helper()
	for _, e := range r.Set.Shards {
		train += spelled(t, r.Dir, e)
	}
	return train, spelled(t, r.Dir, r.Set.Heldout)
}

// documents are all texts of a prepared set that holds one token out, sorted. The rest of that text is trained on last.
func documents(t testing.TB, r Report) []string {
	t.Helper()
	train, held := trained(t, r)
	train = strings.TrimSuffix(train, "\x00")
	last := strings.LastIndexByte(train, 0) + 1
	docs := strings.SplitAfter(train[:last]+held+train[last:], "\x00")
	for i := range docs {
		docs[i] = strings.TrimSuffix(docs[i], "\x00")
	}
	slices.Sort(docs)
	return docs
}

func TestFormats(t *testing.T) {
	one, two, empty := "first — 1", "second\nof two lines", ""
	lines := `{"id": 1, "text": "first — 1", "tags": ["text"]}` + "\n\r\n" + `  {"text": "second\nof two lines"}` + "\r\n" + `{"text": ""}` + "\n" + `{"text": null}`
	both := []string{one, two}
	for name, tc := range map[string]struct {
		content []byte
		want    []string
		empty   uint64
	}{
		"a.txt":          {[]byte(two), []string{two}, 0},
		"marked.TXT":     {[]byte("\ufeff" + two), []string{two}, 0},
		"wide.txt":       {[]byte("\xff\xfes\x00 \x00\x14\x20"), []string{"s —"}, 0},
		"a.txt.gz":       {gzipped(two), []string{two}, 0},
		"a.jsonl":        {[]byte(lines), both, 2},
		"marked.jsonl":   {[]byte("\ufeff" + lines), both, 2},
		"a.ndjson":       {[]byte(lines), both, 2},
		"lines.json":     {[]byte(lines), both, 2},
		"array.json":     {[]byte("\ufeff [ {\"text\": \"first — 1\",\n\t\"tags\": [\"]\", {\"\\\"\": 1}]} , {\"text\": null}]\n[{\"text\": \"second\\nof two lines\"}]\n"), both, 1},
		"array.jsonl.gz": {gzipped(`[{"text": "first — 1"}, {"text": "second\nof two lines"}]`), both, 0},
		"nan.jsonl":      {[]byte(`{"text": "first — 1", "score": NaN, "x": [-Infinity, "NaN\"NaN"]}` + "\n" + `{"score": Infinity, "text": "second\nof two lines"}`), both, 0},
		"missing.jsonl":  {[]byte(`{"id": 1}` + "\n" + lines), both, 3},
		"a.jsonl.gz":     {gzipped(lines), both, 2},
		"twice.jsonl.gz": {append(gzipped(lines[:60]), gzipped(lines[60:])...), both, 2},
		"a.jsonl.zst":    {zstandard(lines), both, 2},
		"a.parquet":      {parquetOf([]row{{1, &one, nil}, {2, nil, []string{"x"}}, {3, &two, nil}, {4, &empty, nil}}, 2), both, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r, err := Prepare(t.Context(), params(filepath.Join(dir, "out"), write(t, dir, name, tc.content)))
			if err != nil {
				t.Fatal(err)
			}
			if got := documents(t, r); !slices.Equal(got, tc.want) || r.Documents != uint64(len(tc.want)) || r.Empty != tc.empty {
				t.Errorf("%q, report %+v; want %q", got, r.counts, tc.want)
			}
			set, err := shard.ReadSet(filepath.Join(r.Dir, shard.SetFile))
			if err != nil || !reflect.DeepEqual(set, r.Set) {
				t.Errorf("data.toml says %+v, %v", set, err)
			}
		})
	}
}

// some makes documents of many lengths, some longer than a piece.
func some(n int) []string {
	rng := rand.New(rand.NewPCG(3, 4))
	docs := make([]string, n)
	for i := range docs {
		var b strings.Builder
		for size := 1 << rng.IntN(18); b.Len() < size; {
			fmt.Fprintf(&b, "%d words é 語 %d%c", i, rng.Uint32(), " \n"[rng.IntN(2)])
		}
		docs[i] = b.String()
	}
	return docs
}

func jsonLines(docs []string) []byte {
	var b bytes.Buffer
	for _, d := range docs {
		fmt.Fprintf(&b, "{\"text\": %q}\n", d)
	}
	return b.Bytes()
}

// Equal documents give equal shards, on one CPU and on many, and nothing is lost.
func TestEqualShards(t *testing.T) {
	docs := some(200)
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	write(t, in, "a/1.jsonl", jsonLines(docs[:80]))
	write(t, in, "a/.cache/left.jsonl", []byte("no JSON"))
	write(t, in, "a/README.md", []byte("passed over"))
	write(t, in, "b.txt", []byte(strings.Join(docs[80:100], "\n")))
	var rows []row
	for i := range docs[100:] {
		rows = append(rows, row{Text: &docs[100+i]})
	}
	write(t, in, "c.parquet", parquetOf(rows, 30))
	size := len(strings.Join(docs, "")) + 19 + 181

	var first Report
	for i, cpus := range []int{1, 2, 7} {
		was := runtime.GOMAXPROCS(cpus)
		p := params(filepath.Join(dir, fmt.Sprint(cpus)), in)
		p.ShardTokens, p.Heldout = 300_000, 20_000
		r, err := Prepare(t.Context(), p)
		runtime.GOMAXPROCS(was)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r
			if got := int(r.Set.Tokens() + r.Set.Heldout.Tokens); got != size || r.Set.Heldout.Tokens != 20_000 || r.Documents != 181 {
				t.Errorf("%d tokens of %d, %+v", got, size, r)
			}
			for j, e := range r.Set.Shards {
				if last := j == len(r.Set.Shards)-1; !last && e.Tokens != 300_000 {
					t.Errorf("shard %d has %d tokens", j, e.Tokens)
				}
			}
		} else if !reflect.DeepEqual(r.Set, first.Set) {
			t.Errorf("%d CPUs make other shards", cpus)
		}
	}
}

// A text that comes often is on one side only, however it comes.
func TestNoTextOnBothSides(t *testing.T) {
	var docs []string
	for i := range 300 {
		for range 1 + i%4 {
			docs = append(docs, fmt.Sprintf("document %d, which is not long", i))
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	rng.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
	dir := t.TempDir()
	p := params(filepath.Join(dir, "out"), write(t, dir, "a.jsonl", jsonLines(docs)))
	p.Heldout, p.ShardTokens = 1000, 100_000
	r, err := Prepare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	train, held := trained(t, r)
	in := map[string]int{}
	for _, d := range strings.Split(strings.TrimSuffix(train, "\x00"), "\x00") {
		in[d]++
	}
	pieces := strings.Split(held, "\x00")
	for _, d := range pieces[:len(pieces)-1] { // the last is cut
		if in[d] > 0 {
			t.Errorf("%q is held out and trained on", d)
		}
		in[d]++
	}
	if len(pieces) < 20 || r.Copies == 0 {
		t.Errorf("%d held out, %d copies left out: too few to show anything", len(pieces), r.Copies)
	}
	for i := range 300 {
		d := fmt.Sprintf("document %d, which is not long", i)
		if n := in[d]; n != 1+i%4 && n != 1 && !strings.HasPrefix(d, pieces[len(pieces)-1]) {
			t.Errorf("%q comes %d times", d, n)
		}
	}
}

func TestRepairs(t *testing.T) {
	dir := t.TempDir()
	r, err := Prepare(t.Context(), params(filepath.Join(dir, "out"),
		write(t, dir, "a.txt", []byte("caf\xe9 na\xefve\xff\xfe")), write(t, dir, "b.jsonl", []byte("{\"text\": \"\xe9t\xe9\"}"))))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"caf\ufffd na\ufffdve\ufffd\ufffd", "\ufffdt\ufffd"}
	if got := documents(t, r); r.Replaced != 6 || !slices.Equal(got, want) {
		t.Errorf("%q, %d replaced", got, r.Replaced)
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "bytes that were not UTF-8 and became U+FFFD: 6") {
		t.Errorf("%s%v", b.String(), err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	hello := "hello"
	good := write(t, dir, "good.jsonl", []byte(`{"text": "hello"}`+"\n"))
	type group struct{ A struct{ B string } }
	var nested bytes.Buffer
	if err := parquet.Write(&nested, []group{{}}); err != nil {
		t.Fatal(err)
	}
	whole := parquetOf([]row{{1, &hello, nil}}, 10)
	footer := slices.Clone(whole)
	copy(footer[len(footer)-8:], "\xff\xff\xff\x7f")
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := func(name, content string) []string { return []string{write(t, dir, name, []byte(content))} }
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("ab", 32) + "\nsize 4976698672\n"
	type row struct {
		Text string `parquet:"text,dict"`
	}
	var packed bytes.Buffer
	if err := parquet.Write(&packed, slices.Repeat([]row{{"a text"}, {"another"}}, 100), parquet.Compression(&parquet.Lz4Raw)); err != nil {
		t.Fatal(err)
	}
	lz4 := packed.Bytes()
	for i := range 60 { // pages come first, the footer last
		lz4[len(parquetMagic)+i] ^= 0x55
	}
	// A frame that says how long it is, and is its own window: 150 MB in one piece.
	single := []byte{0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000}
	single = binary.LittleEndian.AppendUint32(single, 150_000_000)
	single = append(single, 0b011, 0x20, 0x03, 'x') // 100 times a letter, and no more blocks
	var wide bytes.Buffer
	z, err := zstd.NewWriter(&wide, zstd.WithWindowSize(256<<20))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // in a stream, as the header of a whole text of a few bytes says no window
		if _, err := z.Write([]byte("a text\n")); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	strict := func(p *Params) { p.Strict = true }
	for _, tc := range []struct {
		name    string
		sources []string
		change  func(*Params)
		want    string
	}{
		{"no source", nil, nil, "at least one source"},
		{"empty name", []string{""}, nil, "empty name"},
		{"missing", []string{filepath.Join(dir, "none.txt")}, nil, "none.txt"},
		{"other kind", file("a.pdf", "x"), nil, "a.pdf is of no kind that murmur reads: .txt, .jsonl"},
		{"packed parquet", file("a.parquet.gz", "x"), nil, "of no kind"},
		{"folder without texts", []string{filepath.Join(dir, "folder")}, nil, "holds no file that murmur reads"},
		{"empty text", append(file("empty.txt", ""), good), nil, "empty.txt holds no text"},
		{"empty packed text", file("empty.txt.gz", ""), nil, "empty.txt.gz holds no text"},
		{"blank lines", append([]string{good}, file("blank.jsonl", "\n\n  \n")...), nil, "blank.jsonl holds no text"},
		{"no key", file("nokey.jsonl", "{\"text\": \"a\"}\n\n{\"body\": \"b\"}\n"), strict, `nokey.jsonl, line 3: no key "text"; choose the one that holds the text with --column`},
		{"other case", file("case.jsonl", `{"Text": "a"}`), strict, `line 1: no key "text"`},
		{"not a text", file("number.jsonl", `{"text": 3}`), strict, `line 1: "text" is not a text`},
		{"not JSON", file("broken.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\n"), strict, "broken.jsonl, line 2: not JSON"},
		{"not an object", file("list.jsonl", `["text"]`), strict, "item 1: not a JSON object"},
		{"null line", file("null.jsonl", `null`), strict, `line 1: no key "text"`},
		{"long line", file("long.jsonl", `{"text": "`+strings.Repeat("x", MaxLine)+`"}`), strict, "long.jsonl, line 1: longer than 16 MiB"},
		{"not gzip", file("plain.txt.gz", "plain"), nil, "plain.txt.gz is not packed as its name says"},
		{"half gzip", file("half.txt.gz", string(gzipped(strings.Repeat("text ", 1000))[:40])), nil, "half.txt.gz cannot be read to its end"},
		{"half gzip lines", file("half.jsonl.gz", string(gzipped(strings.Repeat("{\"text\": \"a\"}\n", 1000))[:40])), nil, "half.jsonl.gz cannot be read to its end"},
		{"not zstd", file("plain.txt.zst", "plain"), nil, "plain.txt.zst cannot be read to its end"},
		{"wide zstd", file("wide.txt.zst", wide.String()), nil, "wide.txt.zst needs more than the 128 MiB that it is unpacked with here; unpack it first: zstd -d --long=31"},
		{"one long zstd", file("long.txt.zst", string(single)), nil, "long.txt.zst needs more than the 128 MiB that it is unpacked with here; unpack it first: zstd -d --long=31"},
		{"text pointer", file("pointer.txt", pointer), nil, "pointer.txt is a Git LFS pointer in the place of the file: run git lfs pull"},
		{"packed pointer", file("pointer.jsonl.zst", pointer), nil, "pointer.jsonl.zst is a Git LFS pointer"},
		{"parquet pointer", file("pointer.parquet", pointer), nil, "pointer.parquet is a Git LFS pointer"},
		{"column", file("a.parquet", string(whole)), func(p *Params) { p.Column = "body" }, `a.parquet has no column "body", but id, text, tags: choose one with --column`},
		{"number column", file("b.parquet", string(whole)), func(p *Params) { p.Column = "id" }, `column "id" of `},
		{"list column", file("c.parquet", string(whole)), func(p *Params) { p.Column = "tags" }, `column "tags" of `},
		{"group column", file("d.parquet", nested.String()), func(p *Params) { p.Column = "A" }, `column "A" of `},
		{"half parquet", file("half.parquet", string(whole[:len(whole)/2])), nil, "half.parquet is no whole parquet file"},
		{"lz4 parquet", file("lz4.parquet", string(lz4)), nil, "lz4.parquet is packed with LZ4, of which some files cannot be read here; write it again with another codec, such as zstd"},
		{"tiny parquet", file("tiny.parquet", "PAR1"), nil, "tiny.parquet is no parquet file"},
		{"footer", file("footer.parquet", string(footer)), nil, "footer.parquet is damaged"},
		{"parquet without rows", file("norows.parquet", string(parquetOf(nil, 10))), nil, "norows.parquet holds no text"},
		{"all held out", []string{good}, func(p *Params) { p.Heldout = 100 }, "hold 6 tokens, and all would be held out"},
		{"shard of nothing", []string{good}, func(p *Params) { p.ShardTokens = 0 }, "--shard-tokens"},
		{"held out beyond the bound", []string{good}, func(p *Params) { p.Heldout = MaxHeldout + 1 }, "--heldout"},
		{"no column", []string{good}, func(p *Params) { p.Column = "" }, "--column"},
		{"no folder", []string{good}, func(p *Params) { p.Out = "" }, "--out"},
		{"not a folder", []string{good}, func(p *Params) { p.Out = good }, "good.jsonl"},
		{"http", []string{"http://example.org/a.txt"}, nil, "http://example.org/a.txt: http is not protected on its way: use https"},
		{"ftp", []string{"ftp://example.org/a.txt"}, nil, "cannot fetch by ftp, only by https"},
		{"no host", []string{"https:///a.txt"}, nil, "names no host"},
		{"broken address", []string{"https://exa mple.org/a.txt"}, nil, "not an address"},
		{"kind of an address", []string{"https://example.org/a.zip"}, nil, "of no kind"},
		{"short checksum", []string{"https://example.org/a.txt#sha256=12"}, nil, "64 hexadecimal digits"},
		{"other checksum", []string{"https://example.org/a.txt#md5=12"}, nil, "64 hexadecimal digits"},
		{"password", []string{"http://user:secret@example.org/a.txt"}, nil, "user:xxxxx@"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := params(filepath.Join(t.TempDir(), "out"), tc.sources...)
			if tc.change != nil {
				tc.change(&p)
			}
			_, err := Prepare(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, want %q", err, tc.want)
			}
			if _, err := os.Stat(filepath.Join(p.Out, shard.SetFile)); err == nil {
				t.Error("data.toml was written")
			}
		})
	}
}

// A prepare that is stopped leaves whole shards and no data.toml; the next one starts over and is not disturbed.
func TestStoppedAndAgain(t *testing.T) {
	dir := t.TempDir()
	p := params(filepath.Join(dir, "out"), write(t, dir, "a.jsonl", jsonLines(some(300))))
	p.ShardTokens = 50_000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.Progress = func(at Progress) {
		if at.Tokens > 500_000 {
			cancel()
		}
	}
	if _, err := Prepare(ctx, p); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(p.Out, shard.Folder))
	if err != nil || len(left) < 5 {
		t.Fatalf("left %d files, %v", len(left), err)
	}
	for _, e := range left {
		f, err := shard.Open(filepath.Join(p.Out, shard.Folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	write(t, p.Out, "shards/killed.shard.tmp", []byte("half"))
	write(t, p.Out, "shards/mine.txt", []byte("not ours"))
	p.Progress, p.ShardTokens = nil, 70_000
	r, err := Prepare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadDir(filepath.Join(p.Out, shard.Folder))
	if want := len(r.Set.Shards) + 2; err != nil || len(now) != want {
		t.Errorf("%d files, want %d", len(now), want)
	}
	if _, err := Prepare(t.Context(), p); err == nil || !strings.Contains(err.Error(), "holds a prepared data set already") {
		t.Errorf("written twice: %v", err)
	}
}

func TestTooManyShards(t *testing.T) {
	o := output{dir: t.TempDir(), vocab: 256, each: 1, entries: make([]shard.Entry, shard.MaxShards-1)}
	defer o.abort()
	if err := o.train([]int32{1}); err != nil {
		t.Error(err)
	}
	if err := o.train([]int32{2}); err == nil || !strings.Contains(err.Error(), "more than 4096 shards: make them larger") {
		t.Errorf("a shard too many: %v", err)
	}
}

func TestEqualShardsAreListedOnce(t *testing.T) {
	dir := t.TempDir()
	p := params(filepath.Join(dir, "out"), write(t, dir, "a.txt", []byte(strings.Repeat("again ", 1000))))
	p.ShardTokens = 600
	r, err := Prepare(t.Context(), p)
	if err != nil || len(r.Set.Shards) != 2 {
		t.Errorf("%+v, %v", r.Set, err)
	}
}

func TestOneAtATime(t *testing.T) {
	dir := t.TempDir()
	unlock, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := Prepare(t.Context(), params(dir, write(t, dir, "a.txt", []byte("text")))); err == nil || !strings.Contains(err.Error(), "another murmur prepares") {
		t.Errorf("two at a time: %v", err)
	}
}

// What prepare wrote itself is no source.
func TestOutInsideASource(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.txt", []byte("text to train on"))
	write(t, dir, "out/downloads/b.txt", []byte("fetched"))
	r, err := Prepare(t.Context(), params(filepath.Join(dir, "out"), dir))
	if err != nil || r.Documents != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestLinks(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "blobs/0123", []byte("linked"))
	write(t, dir, "real/b.txt", []byte("beside it"))
	if err := os.Symlink(file, filepath.Join(dir, "real", "a.txt")); err != nil {
		t.Skip("this system has no links:", err)
	}
	if err := os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	r, err := Prepare(t.Context(), params(filepath.Join(dir, "out"), filepath.Join(dir, "linked")))
	if err != nil || !slices.Equal(documents(t, r), []string{"beside it", "linked"}) {
		t.Errorf("%+v, %v", r, err)
	}
}

// marked has an end of its own, and ids beyond what it says.
type marked struct {
	letters
	end, vocab int32
}

func (m marked) Vocab() int { return int(m.vocab) }
func (m marked) Ends() []int32 {
	if m.end < 0 {
		return nil
	}
	return []int32{m.end}
}

func TestEnds(t *testing.T) {
	dir := t.TempDir()
	in := write(t, dir, "a.jsonl", []byte("{\"text\": \"abc\"}\n{\"text\": \"de\"}\n"))
	for i, tc := range []struct {
		tokenizer Tokenizer
		want      string
	}{{marked{end: '!', vocab: 256}, "abc!de!"}, {marked{end: -1, vocab: 256}, "abc\nde\n"}} {
		p := params(filepath.Join(dir, fmt.Sprint(i)), in)
		p.Tokenizer, p.TokenizerFile = tc.tokenizer, []byte("{}")
		r, err := Prepare(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		train, held := trained(t, r)
		first, second := tc.want[:4], tc.want[4:] // one token of either is held out
		if train != first+second[1:] && train != second+first[1:] || len(held) != 1 {
			t.Errorf("%q and %q, want %q", train, held, tc.want)
		}
		if r.Set.Tokenizer == nil || r.Set.Tokenizer.Size != 2 {
			t.Errorf("tokenizer %+v", r.Set.Tokenizer)
		}
		if err := shard.VerifyFolder(t.Context(), r.Dir, r.Set, func(c shard.Check) {
			if c.Err != nil {
				t.Error(c.Err)
			}
		}); err != nil {
			t.Error(err)
		}
	}
	p := params(filepath.Join(dir, "broken"), in)
	p.Tokenizer = marked{end: '!', vocab: 'c'}
	if _, err := Prepare(t.Context(), p); err == nil || !strings.Contains(err.Error(), "the vocabulary has 99: the tokenizer is broken") {
		t.Errorf("ids beyond the vocabulary: %v", err)
	}
}

// TestPassedOver: what cannot be read does not end what can; it is counted, and the first is named.
func TestPassedOver(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	write(t, in, "a.jsonl", []byte("{\"text\": \"one\"}\nno JSON\n{\"text\": [\"a\", \"b\"]}\n{\"text\": \""+strings.Repeat("x", MaxLine)+"\"}\n{\"text\": \"two\"}"))
	var nothing bytes.Buffer
	if err := parquet.Write(&nothing, []struct{ A int64 }{}); err != nil {
		t.Fatal(err)
	}
	write(t, in, "b.parquet", nothing.Bytes()) // of no rows, and of no text column
	write(t, in, "c.parquet", []byte("PAR1"))
	write(t, in, "d.txt.gz", gzipped(strings.Repeat("text ", 1000))[:20])
	write(t, in, "f.txt", []byte("three"))
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(in, "e.txt")); err != nil {
		t.Fatal(err)
	}
	r, err := Prepare(t.Context(), params(filepath.Join(dir, "out"), in))
	if err != nil {
		t.Fatal(err)
	}
	if r.Passed != 6 || r.Documents != 3 || !strings.Contains(r.Why, "a.jsonl, line 2: not JSON") {
		t.Errorf("%+v", r.counts)
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "lines or files that were passed over: 6; the first: ") {
		t.Errorf("%s%v", b.String(), err)
	}
	mixed := filepath.Join(dir, "mixed")
	write(t, mixed, "a.txt", []byte("one"))
	write(t, mixed, "b.jsonl", []byte("{\"body\": \"a\"}\n{\"body\": \"b\"}\n"))
	b.Reset()
	if r, err = Prepare(t.Context(), params(filepath.Join(dir, "other"), mixed)); err != nil {
		t.Fatal(err)
	}
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "documents without text: 2; the first: ") || !strings.Contains(b.String(), `b.jsonl, line 1: no key "text"`) {
		t.Errorf("a file beside others has another key: %s%v", b.String(), err)
	}
	p := params(filepath.Join(dir, "strict"), in)
	p.Strict = true
	if _, err := Prepare(t.Context(), p); err == nil || !strings.Contains(err.Error(), "e.txt") && !strings.Contains(err.Error(), "c.parquet") {
		t.Errorf("strict: %v", err)
	}
	only := params(filepath.Join(dir, "none"), write(t, dir, "none.jsonl", []byte("{\"body\": \"a\"}\n{\"body\": \"b\"}\n")))
	if _, err := Prepare(t.Context(), only); err == nil || !strings.Contains(err.Error(), `holds no text`) || !strings.Contains(err.Error(), `line 1: no key "text"`) {
		t.Errorf("no line has the key: %v", err)
	}
}
