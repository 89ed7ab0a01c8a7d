package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/corpus"
	"github.com/murmurnet/murmur/trainer/shard"
	"github.com/murmurnet/murmur/trainer/token"
)

// DataCmd makes and checks data sets.
type DataCmd struct {
	Prepare DataPrepareCmd `cmd:"" help:"Turn documents into token shards."`
	Verify  DataVerifyCmd  `cmd:"" help:"Check that a prepared folder is whole."`
	List    DataListCmd    `cmd:"" help:"Show what a prepared folder holds."`
}

// DataPrepareCmd turns documents into token shards.
type DataPrepareCmd struct {
	Sources     []string `arg:"" name:"source" help:"Files and folders of .txt, .jsonl, .ndjson, .json (each also .gz, .zst) and .parquet, or https addresses of such files; #sha256=HEX behind one is its checksum."`
	Out         string   `help:"The folder to write." required:"" type:"path" placeholder:"DIR"`
	Tokenizer   string   `help:"A tokenizer.json, or a model's folder that has one, or \"bytes\"." default:"bytes" placeholder:"PATH"`
	Column      string   `help:"The key or column that holds the text." default:"text"`
	Strict      bool     `help:"End at the first line, or file of a folder, that cannot be read; without, they are passed over and counted."`
	ShardTokens int      `help:"Tokens a shard, 67108864 at most." default:"16777216"`
	Heldout     int      `help:"Tokens to hold out, 4194304 at most (default: one for each 200 bytes of the sources, 1048576 at most)." placeholder:"N"`
	JSON        bool     `help:"Print one JSON object."`
}

// Run prepares, and says what came of it.
func (c *DataPrepareCmd) Run(ctx context.Context) error {
	p := corpus.Params{Sources: c.Sources, Out: c.Out, Column: c.Column, Strict: c.Strict, ShardTokens: c.ShardTokens, Heldout: c.Heldout}
	var err error
	if p.Tokenizer, p.TokenizerFile, err = openTokenizer(c.Tokenizer); err != nil {
		return err
	}
	if err := p.Validate(); err != nil {
		return usageError{err}
	}
	meter := corpus.NewMeter(os.Stderr, isTerminal(os.Stderr))
	p.Progress = meter.Show
	report, err := corpus.Prepare(ctx, p)
	meter.End()
	if err != nil {
		return err
	}
	return printed(c.JSON, report)
}

// openTokenizer reads a tokenizer.json, with what lies beside it in a model's folder; "bytes" needs none.
func openTokenizer(name string) (*token.Tokenizer, []byte, error) {
	if name == "bytes" {
		return token.Bytes(), nil, nil
	}
	dir, file := filepath.Split(name)
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		dir, file = name, token.File
	}
	names := []string{file} // of another name it belongs to no folder
	if file == token.File {
		names = token.FolderFiles()
	}
	files, err := checkpoint.ReadFiles(dir, names)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("tokenizer: %w", err)
	case files[file] == nil:
		return nil, nil, fmt.Errorf("tokenizer: %s is not there", filepath.Join(dir, file))
	}
	files[token.File] = files[file]
	t, err := token.ParseFolder(files)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, files[token.File], nil
}

// DataVerifyCmd checks a prepared folder.
type DataVerifyCmd struct {
	Dir  string `arg:"" help:"The folder." type:"path"`
	JSON bool   `help:"Print one JSON object."`
}

// Run reads every file that the folder should have.
func (c *DataVerifyCmd) Run(ctx context.Context) error {
	set, err := shard.ReadSet(filepath.Join(c.Dir, shard.SetFile))
	if err != nil {
		return err
	}
	r := verified{Dir: c.Dir, Problems: []string{}}
	err = shard.VerifyFolder(ctx, c.Dir, set, func(check shard.Check) {
		r.Files++
		if check.Err != nil {
			r.Problems = append(r.Problems, oneLine(check.Err))
		}
	})
	if err != nil {
		return err
	}
	if n := len(r.Problems); n > 0 {
		err = fmt.Errorf("%d of %d files of %s are not what %s says: prepare it again, or copy them from where they are whole", n, r.Files, c.Dir, shard.SetFile)
	}
	return errors.Join(printed(c.JSON, r), err)
}

// verified is what came of a check.
type verified struct {
	Dir      string   `json:"dir"`
	Files    int      `json:"files"`
	Problems []string `json:"problems"`
}

// Table writes the outcome for people.
func (v verified) Table(out io.Writer) error {
	for _, p := range v.Problems {
		fmt.Fprintln(out, p)
	}
	_, err := fmt.Fprintf(out, "%d of %d files are whole\n", v.Files-len(v.Problems), v.Files)
	return err
}

// DataListCmd shows what a prepared folder holds.
type DataListCmd struct {
	Dir  string `arg:"" help:"The folder." type:"path"`
	JSON bool   `help:"Print one JSON object."`
}

// Run prints the folder's list.
func (c *DataListCmd) Run() error {
	set, err := shard.ReadSet(filepath.Join(c.Dir, shard.SetFile))
	if err != nil {
		return err
	}
	return printed(c.JSON, listed{Dir: c.Dir, Tokens: set.Tokens(), Set: set})
}

// listed is a data set as it is shown.
type listed struct {
	Dir    string    `json:"dir"`
	Tokens uint64    `json:"tokens"` // to train on
	Set    shard.Set `json:"data"`
}

// Table writes the list for people.
func (l listed) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	tokenizer := "bytes"
	if l.Set.Tokenizer != nil {
		tokenizer = l.Set.Tokenizer.ID.String()
	}
	fmt.Fprintf(w, "tokenizer\t%s\t%d ids\t\n", tokenizer, l.Set.Vocab)
	fmt.Fprintf(w, "held out\t%s\t%d tokens\t%.1f MB\n", l.Set.Heldout.ID, l.Set.Heldout.Tokens, float64(l.Set.Heldout.Size)/1e6)
	for i, e := range l.Set.Shards {
		fmt.Fprintf(w, "shard %d\t%s\t%d tokens\t%.1f MB\n", i+1, e.ID, e.Tokens, float64(e.Size)/1e6)
	}
	fmt.Fprintf(w, "all shards\t\t%d tokens\t\n", l.Tokens)
	return w.Flush()
}
