package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/states"
	"github.com/murmurnet/murmur/trainer/choice"
	"github.com/murmurnet/murmur/trainer/loaded"
)

// ModelFlags name a model: a folder, or a state of a swarm.
type ModelFlags struct {
	DirFlag
	Model   string  `type:"existingdir" help:"A model in Hugging Face's layout, such as murmur export writes (default: the swarm's)." placeholder:"DIR"`
	Height  *uint64 `help:"The round of the swarm whose state is taken (default: the newest)." placeholder:"N"`
	Backend string  `help:"Run on this backend (default: the best there is)." placeholder:"NAME"`
}

// load opens the model.
func (f ModelFlags) load(ctx context.Context) (*loaded.Model, error) {
	if err := checkBackend(f.Backend); err != nil {
		return nil, usageError{err}
	}
	p, err := f.params(ctx)
	if err != nil {
		return nil, err
	}
	p.Open, p.Backend = openDevice, f.Backend
	return loaded.New(p)
}

func (f ModelFlags) params(ctx context.Context) (loaded.Params, error) {
	if f.Model != "" {
		return loaded.FromCheckpoint(f.Model)
	}
	dir, err := f.readable()
	if err != nil {
		return loaded.Params{}, err
	}
	kept, err := keep(ctx, dir, f.Height)
	if err != nil {
		return loaded.Params{}, err
	}
	e, err := states.Exported(dir, kept)
	if err != nil {
		return loaded.Params{}, err
	}
	return loaded.FromExport(e)
}

// keep has a state put on the disk, by the daemon if one runs.
func keep(ctx context.Context, dir home.Dir, height *uint64) (api.Kept, error) {
	at := int64(states.Newest)
	if height != nil {
		at = int64(*height)
	}
	client := api.NewClient(string(dir))
	defer client.Close()
	kept, err := client.Keep(ctx, at)
	if errors.Is(err, api.ErrNoDaemon) {
		return states.KeepIn(dir, at)
	}
	return kept, err
}

// EvalCmd answers multiple-choice benchmarks.
type EvalCmd struct {
	ModelFlags
	Tasks []string `arg:"" name:"task=file" help:"Benchmarks with their JSON lines, such as arc_easy=ARC-Easy-Test.jsonl: arc_easy, arc_challenge, hellaswag, openbookqa, piqa or winogrande."`
	Limit int      `help:"Only so many items of each." placeholder:"N"`
	JSON  bool     `help:"Print one JSON object."`
}

// Run answers one benchmark after the other.
func (c *EvalCmd) Run(ctx context.Context) error {
	var tasks, files []string
	for _, t := range c.Tasks {
		task, file, ok := strings.Cut(t, "=")
		if !ok {
			return usageError{fmt.Errorf("%q names no file: give it as TASK=FILE, such as arc_easy=%s", t, t)}
		}
		tasks, files = append(tasks, task), append(files, file)
	}
	if c.Limit < 0 {
		return usageError{fmt.Errorf("a limit of %d items", c.Limit)}
	}
	m, err := c.load(ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	var rs evaluated
	for i, task := range tasks {
		shown := -1
		r, err := m.Choose(ctx, choice.Task(task), files[i], c.Limit, func(done, total int) {
			if percent := done * 100 / total; percent/10 != shown/10 || shown < 0 {
				shown = percent
				fmt.Fprintf(os.Stderr, "%s: %d of %d choices\n", task, done, total)
			}
		})
		if err != nil {
			return err
		}
		rs.Tasks = append(rs.Tasks, r)
	}
	return printed(c.JSON, rs)
}

// evaluated is what a model reached.
type evaluated struct {
	Tasks []choice.Report `json:"tasks"`
}

// Table shows shares in per cent, with their standard errors.
func (e evaluated) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tITEMS\tACC\tACC_NORM")
	share := func(v, err *float64) string {
		switch {
		case v == nil:
			return "–"
		case err == nil:
			return fmt.Sprintf("%.1f %%", 100**v)
		}
		return fmt.Sprintf("%.1f ± %.1f %%", 100**v, 100**err)
	}
	for _, r := range e.Tasks {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", r.Task, r.Items, share(&r.Acc, r.AccStderr), share(r.AccNorm, r.AccNormStderr))
	}
	return w.Flush()
}
