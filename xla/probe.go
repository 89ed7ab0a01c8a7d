package xla

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
)

const (
	probeLimit   = 60 * time.Second // for one plugin; CUDA's first start can take over ten seconds
	probeOutput  = 64 << 10         // bytes of a probe's output that are kept
	probeMark    = "murmur-probe "  // begins the one line that answers, among whatever a plugin prints
	probeEnv     = "MURMUR_XLA_PROBE"
	probeTimeout = 3 // exit status of a probe that ended itself
)

// SelfProbe is [Params.Probe] for the murmur program: itself, with its hidden command.
func SelfProbe() []string {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{self, "xla", "probe"}
}

// answer is what a probe prints after probeMark.
type answer struct {
	devices
	Error string `json:"error,omitempty"`
}

// prober decides whether a plugin file may be loaded.
type prober struct {
	argv  []string
	own   string // the pinned plugin, which an install can mend
	cache string // file of earlier successes; "" for none
	fresh bool   // do not believe the cache
	limit time.Duration
}

func newProber(p Params) prober {
	pr := prober{argv: p.Probe, limit: probeLimit, cache: cacheFile(p.dir())}
	pr.own, _ = Installed(p.Dir, "cpu")
	if os.Getenv(probeEnv) != "" {
		pr.argv = nil // a probe must not start probes
	}
	return pr
}

// check tells why file cannot be used for c, or what devices it has (if a probe ran, now or earlier).
func (p prober) check(ctx context.Context, c config, file string) (devices, error) {
	if !p.fresh {
		if dev, ok := lookup(p.cache, file); ok {
			return dev, pathClash(c, file)
		}
	}
	dev, err := p.examine(ctx, c, file)
	if err != nil && file == p.own {
		err = fmt.Errorf("%w; `murmur xla install cpu` mends it", err)
	}
	return dev, err
}

func (p prober) examine(ctx context.Context, c config, file string) (devices, error) {
	if err := pathClash(c, file); err != nil {
		return devices{}, err
	}
	if runtime.GOOS == "linux" {
		if err := checkELF(file, elfMachine()); err != nil {
			return devices{}, err
		}
	}
	if len(p.argv) == 0 {
		return devices{}, nil
	}
	before := stamp(file)
	dev, err := p.run(ctx, c.withPlugin(file))
	if err == nil && before == stamp(file) {
		remember(p.cache, file, before, dev)
	}
	return dev, err
}

// run starts the probe and reads its answer. Whatever it does, it is gone when run returns.
func (p prober) run(ctx context.Context, config string) (devices, error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.argv[0], append(p.argv[1:len(p.argv):len(p.argv)], config)...)
	cmd.Env = append(os.Environ(), probeEnv+"=1")
	stdout, stderr := &head{}, &head{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // what the plugin has started may hold the pipes open
	kill, killed := isolate(cmd), false
	cmd.Cancel = func() error { killed = true; return kill() }
	err := cmd.Run()
	if cmd.Process != nil {
		_ = kill() // whatever the plugin left running; mostly there is nothing
	}
	if a, ok := stdout.answer(); ok {
		if a.Error != "" {
			return devices{}, errors.New(a.Error)
		}
		return a.devices, nil
	}
	var exit *exec.ExitError
	switch {
	case killed || errors.As(err, &exit) && exit.ExitCode() == probeTimeout:
		return devices{}, fmt.Errorf("it did not answer within %v when it was tried", p.limit)
	case cmd.ProcessState == nil:
		return devices{}, fmt.Errorf("it could not be tried: %w", err)
	}
	return devices{}, fmt.Errorf("it ended the process that tried it (%s)", stderr.cause(cmd.ProcessState))
}

// RunProbe is the other side: it loads the one plugin that config names by its path, multiplies two matrices with it,
// and prints what it found on out. It belongs in a process of its own, which it ends if the plugin hangs.
func RunProbe(ctx context.Context, config string, out io.Writer) error {
	watchdog := time.AfterFunc(probeLimit, func() { os.Exit(probeTimeout) })
	defer watchdog.Stop()
	c, err := parseConfig(config)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(c.plugin) {
		return fmt.Errorf("a probe takes the path of a plugin, as in xla:/path/to/plugin.so, not %q", config)
	}
	var a answer
	backend, dev, err := chooser{load: load, limit: openLimit}.loadBounded(ctx, c, c.plugin)
	if err == nil {
		a.devices = dev
		err = multiply(backend)
		backend.Finalize()
	}
	if err != nil {
		a.Error = sentence(err)
	}
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\n%s%s\n", probeMark, line)
	return err
}

// multiply compiles and runs the smallest real computation: a plugin may open well and fail on its first program.
func multiply(backend compute.Backend) error {
	product, err := graph.CallOnce(backend, graph.MatMul, [][]float32{{1, 2}, {3, 4}}, [][]float32{{5, 6}, {7, 8}})
	if err != nil {
		return fmt.Errorf("it opens but cannot multiply two matrices: %w", err)
	}
	if got, want := product.Value(), [][]float32{{19, 22}, {43, 50}}; !reflect.DeepEqual(got, want) {
		return fmt.Errorf("it computes wrong products: %v, not %v", got, want)
	}
	return product.FinalizeAll()
}

// head keeps the first bytes written to it.
type head struct{ buf []byte }

func (h *head) Write(b []byte) (int, error) {
	h.buf = append(h.buf, b[:min(len(b), probeOutput-len(h.buf))]...)
	return len(b), nil
}

// answer finds the line that RunProbe printed.
func (h *head) answer() (a answer, ok bool) {
	for line := range bytes.Lines(h.buf) {
		if rest, found := bytes.CutPrefix(line, []byte(probeMark)); found && json.Unmarshal(rest, &a) == nil {
			return a, a.Error != "" || a.Devices > 0
		}
	}
	return answer{}, false
}

// cause is how a probe ended: by the signal that Go's runtime reported on standard error, else by its exit status.
func (h *head) cause(state *os.ProcessState) string {
	for line := range bytes.Lines(h.buf) {
		for _, mark := range []string{"SIG", "fatal error: ", "panic: "} {
			if bytes.HasPrefix(line, []byte(mark)) {
				return sentence(errors.New(string(line)))
			}
		}
	}
	return state.String()
}
