package xla

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// installEnv set to 1 agrees to install a plugin where nobody can be asked.
const installEnv = "MURMUR_XLA_INSTALL"

// whatIsLost says what the pure-Go backend costs: measured with 0.87M parameters, 8 sequences of 128 tokens, 2 cores.
const whatIsLost = "training runs on the pure-Go backend, about 15x slower on a CPU (627 against 10,100 tokens/s for 0.87M parameters on 2 cores)"

// OfferParams says whom to ask.
type OfferParams struct {
	Params             // the backend wanted, and where plugins lie
	In       io.Reader // where the answer comes from
	Out      io.Writer // for the question, the progress and what came of it
	Terminal bool      // a person reads Out and types into In
	Yes      bool      // the answer is yes
	Index    string    // as in InstallParams
}

// Offer installs the plugin that suits this machine's GPU, or else the one for its processor, if no XLA backend that is
// wanted works, one is pinned, and the user agrees: by Yes, by MURMUR_XLA_INSTALL=1, or on a terminal by answering. It
// says on Out what it does, and in one line what is lost if it does not. Where a plugin works but leaves a GPU idle, it
// only says so. The only error is that ctx ended: murmur works without a plugin.
func Offer(ctx context.Context, p OfferParams) error {
	kinds := p.kinds()
	if len(kinds) == 0 {
		return nil
	}
	choice, err := Choose(ctx, p.Params)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, errNothingOpened) {
		return nil // the same error meets whoever opens the backend
	}
	f := newFinder(p.dir())
	which := f.best(kinds, func(name string) bool {
		_, there := Installed(p.Dir, name)
		return there // and refuses, or is the one that works
	})
	s, ok := pinned(which)
	switch {
	case choice.XLA():
		if ok && choice.Config == "xla:cpu" && s.kind != "cpu" {
			fmt.Fprintf(p.Out, "training runs on the processor: `murmur xla install %s` (%s download) gets the plugin for this machine's GPU\n", which, bytesText(s.download()))
		}
		return nil
	case ok:
		p.tell(choice)
		return p.propose(ctx, s)
	case len(kinds) == 1 && kinds[0] != "cpu":
		return nil // what is missing is not ours to install; whoever opens the backend is told
	case whyNoXLA() != "":
		fmt.Fprintf(p.Out, "%s: %s\n", whyNoXLA(), whatIsLost)
	default:
		if _, pin := pinned("cpu"); !pin {
			fmt.Fprintf(p.Out, "there is no pinned XLA plugin for %s/%s: %s\n", runtime.GOOS, runtime.GOARCH, whatIsLost)
			return nil
		}
		p.tell(choice)
		fmt.Fprintf(p.Out, "the installed XLA plugins refuse: %s\n", whatIsLost)
	}
	return nil
}

// kinds are the plugins that the wanted backend may use, best first.
func (p OfferParams) kinds() []string {
	if p.Want == "" || p.Want == "xla" {
		return []string{"cuda", "rocm", "cpu"}
	}
	c, err := parseConfig(p.Want)
	if err != nil || c.plugin == "" || filepath.IsAbs(c.plugin) {
		return nil
	}
	return []string{c.plugin}
}

// propose asks whether to install s, and does.
func (p OfferParams) propose(ctx context.Context, s set) error {
	gain := "for training about 15x faster"
	if s.kind != "cpu" {
		gain = fmt.Sprintf("to train on the GPU, %s on disk", bytesText(s.unpacked()))
	}
	agreed := p.Yes || os.Getenv(installEnv) == "1"
	if !agreed && p.Terminal {
		fmt.Fprintf(p.Out, "Install the %s (%s download) %s? [Y/n] ", title(s.name), bytesText(s.download()), gain)
		var err error
		if agreed, err = yes(ctx, p.In); err != nil {
			fmt.Fprintln(p.Out)
			return err
		}
	}
	if !agreed {
		fmt.Fprintf(p.Out, "no XLA plugin: %s; `murmur xla install %s` gets it\n", whatIsLost, s.name)
		return nil
	}
	bar := NewProgress(p.Out, p.Terminal, title(s.name))
	path, err := Install(ctx, InstallParams{Which: s.name, Index: p.Index, Dir: p.Dir, Progress: bar.Update})
	bar.End()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		fmt.Fprintf(p.Out, "%v\n%s\n", err, whatIsLost)
	default:
		fmt.Fprintf(p.Out, "%s installed: %s\n", title(s.name), path)
	}
	return nil
}

// tell shows plugins that are there and refuse: an installed one that broke should not be replaced in silence.
func (p OfferParams) tell(choice Choice) {
	for _, r := range choice.Refusals {
		if strings.Contains(r.Reason, string(os.PathSeparator)+"pjrt") {
			fmt.Fprintf(p.Out, "%s: %s\n", r.Config, r.Reason)
		}
	}
}

// yes reads one line; an empty one agrees, the end of input does not. The reading goroutine outlives the call if ctx
// ends first, since a read from a terminal cannot be interrupted; the program ends then.
func yes(ctx context.Context, in io.Reader) (bool, error) {
	type reply struct {
		line string
		err  error
	}
	ch := make(chan reply, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 1<<10)).ReadString('\n')
		ch <- reply{line, err}
	}()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case r := <-ch:
		switch strings.ToLower(strings.TrimSpace(r.line)) {
		case "":
			return r.err == nil, nil
		case "y", "yes":
			return true, nil
		}
		return false, nil
	}
}
