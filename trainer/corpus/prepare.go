package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/shard"
)

// DefaultShardTokens makes shards of 32 MiB: small enough to be fetched from a home line within a round or two, and few
// enough that a set of 4096 holds 68 billion tokens.
const DefaultShardTokens = 16 << 20

const downloads = "downloads" // the folder of what was fetched

// Params says what to prepare, and where.
type Params struct {
	Sources       []string // paths of files and folders, https addresses
	Out           string   // the folder to make
	Tokenizer     Tokenizer
	TokenizerFile []byte // what the tokenizer was parsed from; nil where bytes are the tokens
	Column        string // which holds the text, in JSON and .parquet
	Strict        bool   // a line, or a file of a folder, that cannot be read ends all; else it is passed over and counted
	ShardTokens   int
	Heldout       int            // tokens; 0 for the usual amount
	Progress      func(Progress) // told from one goroutine how far things are; may be nil
}

// Progress is how far a task is.
type Progress struct {
	Task        string
	Done, Total int64 // bytes; a total of 0 is not known
	Tokens      uint64
}

// Validate names the first thing wrong with p.
func (p Params) Validate() error {
	switch {
	case len(p.Sources) == 0:
		return errors.New("name at least one source: a file, a folder or an https address")
	case p.Out == "":
		return errors.New("name the folder to write with --out")
	case p.Column == "":
		return errors.New("name the column that holds the text with --column")
	case p.ShardTokens < 1 || p.ShardTokens > shard.MaxTokens:
		return fmt.Errorf("shards of %d tokens: choose 1 to %d with --shard-tokens", p.ShardTokens, shard.MaxTokens)
	case p.Heldout < 0 || p.Heldout > MaxHeldout:
		return fmt.Errorf("%d tokens cannot be held out: choose 1 to %d with --heldout", p.Heldout, MaxHeldout)
	case p.Tokenizer.Vocab() < 1 || p.Tokenizer.Vocab() > shard.MaxVocab:
		return fmt.Errorf("a tokenizer of %d ids is of no use", p.Tokenizer.Vocab())
	}
	return nil
}

// Prepare turns documents into the shards of a folder. One that is stopped leaves whole shards and no data.toml; the next
// starts over, but for what was fetched.
func Prepare(ctx context.Context, p Params) (Report, error) {
	if err := p.Validate(); err != nil {
		return Report{}, err
	}
	if p.Progress == nil {
		p.Progress = func(Progress) {}
	}
	sources, found := make([]source, len(p.Sources)), make([][]file, len(p.Sources))
	for i, text := range p.Sources {
		var err error
		if sources[i], err = parseSource(text); err != nil {
			return Report{}, err
		}
		if sources[i].url == nil {
			if found[i], err = sources[i].expand(i, p.Out); err != nil {
				return Report{}, err
			}
		}
	}
	unlock, err := claim(p.Out)
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	if err := p.fetch(ctx, sources, found); err != nil {
		return Report{}, err
	}
	files := slices.Concat(found...)
	for i := range files { // what is wrong should show before hours of work
		f := &files[i]
		if f.err == nil && f.kind == ".parquet" {
			f.err = checkColumn(*f, p.Column)
		}
		if f.err != nil && (p.Strict || !f.found) {
			return Report{}, f.err
		}
	}
	j := job{Params: p, sources: sources, files: files, documents: make([]uint64, len(sources)), doubts: make([]error, len(sources))}
	j.out = output{dir: filepath.Join(p.Out, shard.Folder), vocab: p.Tokenizer.Vocab(), each: p.ShardTokens}
	return j.run(ctx)
}

// claim makes a folder ready to be written by this process alone, and sweeps what a stopped prepare left there.
func claim(out string) (unlock func(), err error) {
	shards := filepath.Join(out, shard.Folder)
	if err := os.MkdirAll(shards, 0o755); err != nil {
		return nil, fmt.Errorf("preparing %s: %w", out, err)
	}
	lock := flock.New(filepath.Join(out, ".lock"))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("preparing %s: %w", out, err)
	} else if !ok {
		return nil, fmt.Errorf("another murmur prepares %s: wait for it, or choose another --out", out)
	}
	unlock = func() { _ = lock.Unlock() } // closing the file ends the lock in any case
	if err := sweep(out, shards); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func sweep(out, shards string) error {
	if _, err := os.Lstat(filepath.Join(out, shard.SetFile)); err == nil {
		return fmt.Errorf("%s holds a prepared data set already (%s): choose another --out, or delete it", out, shard.SetFile)
	}
	entries, err := os.ReadDir(shards)
	if err != nil {
		return fmt.Errorf("preparing %s: %w", out, err)
	}
	for _, e := range entries {
		id, whole := strings.CutSuffix(e.Name(), ".shard")
		if _, err := proto.ParseID(id); (!whole || err != nil) && !strings.HasSuffix(e.Name(), ".shard.tmp") {
			continue // not ours
		}
		if err := os.Remove(filepath.Join(shards, e.Name())); err != nil {
			return fmt.Errorf("removing what an earlier prepare left: %w", err)
		}
	}
	return nil
}

// fetch finds the files of the sources that have an address.
func (p Params) fetch(ctx context.Context, sources []source, found [][]file) error {
	d := newDownloader(filepath.Join(p.Out, downloads), p.Progress)
	for i, s := range sources {
		if s.url == nil {
			continue
		}
		d.task = fmt.Sprintf("downloading %s (source %d of %d)", path.Base(s.url.Path), i+1, len(sources))
		at, err := d.get(ctx, s)
		if err != nil {
			return err
		}
		f, err := newFile(s.name, at, i)
		if err != nil {
			return err
		}
		found[i] = []file{f}
	}
	return nil
}

// job is one prepare on its way from files to shards.
type job struct {
	Params
	sources   []source
	files     []file
	documents []uint64 // by source
	doubts    []error  // by source, the first reason for which it may hold no text
	counts    counts
	heldout   heldout
	out       output
	done      int64 // bytes read
	tokens    uint64
}

func (j *job) run(ctx context.Context) (Report, error) {
	total := int64(0)
	for _, f := range j.files {
		total += f.size
	}
	capacity := j.Heldout
	if capacity == 0 {
		capacity = int(max(1, min(usualHeldout, total/bytesPerHeldout)))
	}
	j.heldout = heldout{capacity: capacity, held: map[proto.ID]*held{}}
	defer j.out.abort()
	w := worker{tokenizer: j.Tokenizer, column: j.Column, strict: j.Strict}
	w.begin, w.end = around(j.Tokenizer)
	err := flow(ctx, j.files, w, func(b *block) error {
		j.done += b.consumed
		j.tokens += uint64(len(b.tokens))
		j.documents[b.file.source] += b.Documents
		if j.doubts[b.file.source] == nil {
			j.doubts[b.file.source] = b.doubtful
		}
		j.counts.add(b.counts)
		j.Progress(Progress{"preparing", j.done, total, j.tokens})
		start := 0
		for _, p := range b.pieces {
			if err := j.heldout.offer(p.id, b.tokens[start:p.end], j.out.train); err != nil {
				return err
			}
			start = p.end
		}
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	for i, n := range j.documents {
		if n == 0 {
			if why := j.doubts[i]; why != nil {
				return Report{}, fmt.Errorf("source %s holds no text: %w", j.sources[i].name, why)
			}
			return Report{}, fmt.Errorf("source %s holds no text", j.sources[i].name)
		}
	}
	return j.finish()
}

// finish writes all that depends on the whole corpus, data.toml last.
func (j *job) finish() (Report, error) {
	held, copies, err := j.heldout.finish(j.out.train)
	if err != nil {
		return Report{}, err
	}
	set := shard.Set{Name: shard.SetName, Vocab: j.Tokenizer.Vocab(), Ends: j.Tokenizer.Ends()}
	if set.Shards, err = j.out.finish(); err != nil {
		return Report{}, err
	}
	if len(set.Shards) == 0 {
		return Report{}, fmt.Errorf("the sources hold %d tokens, and all would be held out: name more sources, or hold out fewer with --heldout", j.tokens)
	}
	if set.Heldout, err = shard.Write(j.out.dir, set.Vocab, held); err != nil {
		return Report{}, err
	}
	if j.TokenizerFile != nil {
		blob, err := shard.WriteTokenizer(j.Out, j.TokenizerFile)
		if err != nil {
			return Report{}, err
		}
		set.Tokenizer = &blob
	}
	if err := shard.WriteSet(filepath.Join(j.Out, shard.SetFile), set); err != nil {
		return Report{}, err
	}
	r := Report{Dir: j.Out, Set: set, counts: j.counts, Copies: copies}
	if slices.ContainsFunc(j.sources, func(s source) bool { return s.url != nil }) {
		r.Downloads = filepath.Join(j.Out, downloads)
	}
	return r, nil
}
