package xla

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
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

// Offer installs the plugin for this machine if no XLA backend works, one is pinned, and the user agrees: by Yes, by
// MURMUR_XLA_INSTALL=1, or on a terminal by answering. It says on Out what it does, and in one line what is lost if it
// does not. The only error is that ctx ended: murmur works without a plugin.
func Offer(ctx context.Context, p OfferParams) error {
	if p.Want != "" && p.Want != "xla" && p.Want != "xla:cpu" {
		return nil
	}
	open := p.Params
	open.Want = ""
	choice, err := Choose(ctx, open)
	if err != nil || choice.XLA() {
		return context.Cause(ctx)
	}
	w, ok := pinned("cpu")
	if !ok {
		why := whyNoXLA()
		if why == "" {
			why = fmt.Sprintf("there is no pinned XLA plugin for %s/%s", runtime.GOOS, runtime.GOARCH)
		}
		fmt.Fprintf(p.Out, "%s: %s\n", why, whatIsLost)
		return nil
	}
	p.tell(choice)
	agreed := p.Yes || os.Getenv(installEnv) == "1"
	if !agreed && p.Terminal {
		fmt.Fprintf(p.Out, "Install the XLA CPU plugin (%s download) for training about 15x faster? [Y/n] ", bytesText(w.size))
		if agreed, err = yes(ctx, p.In); err != nil {
			fmt.Fprintln(p.Out)
			return err
		}
	}
	if !agreed {
		fmt.Fprintf(p.Out, "no XLA plugin: %s; `murmur xla install cpu` gets it\n", whatIsLost)
		return nil
	}
	bar := NewProgress(p.Out, p.Terminal, "XLA CPU plugin")
	path, err := Install(ctx, InstallParams{Which: "cpu", Index: p.Index, Dir: p.Dir, Progress: bar.Update})
	bar.End()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		fmt.Fprintf(p.Out, "%v\n%s\n", err, whatIsLost)
	default:
		fmt.Fprintf(p.Out, "XLA CPU plugin installed: %s\n", path)
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
