package xla

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/gomlx/compute"
)

// GoConfig is the pure-Go backend in its only fast and safe setting: with GoMLX's default number of workers its
// executor deadlocks (4 of 6 runs of 26 training steps), since matmuls wait for slots that matmuls hold.
const GoConfig = "go:parallelism=-1"

// openLimit bounds the loading of a plugin in this process. A CUDA client may take many seconds to start.
const openLimit = 60 * time.Second

// errNothingOpened is what Open wraps when all that was asked for refused.
var errNothingOpened = errors.New("no backend opened")

// Params says which backend is wanted and where plugins may lie.
type Params struct {
	// Want names a backend: "" for the best one, "xla" for the best plugin, "go", or a configuration such as
	// "xla:cpu", "xla:cuda,visible_devices=0" or "xla:/path/to/plugin.so". A named one that refuses is an error.
	Want string
	// Dir is the directory of installed plugins; "" means "xla" in [DataDir].
	Dir string
	// Probe is a command, without its last argument (a configuration), that calls [RunProbe] in a process of its own;
	// see [SelfProbe]. Without one, plugins are loaded after the static check alone.
	Probe []string
}

// Validate reports the first thing wrong with p.
func (p Params) Validate() error {
	_, err := p.configs()
	return err
}

// Refusal is why one backend is not used.
type Refusal struct {
	Config string `json:"config"`
	Reason string `json:"reason"` // one plain sentence, without a full stop
}

// Choice is a backend that works, and those before it that do not.
type Choice struct {
	Config   string    `json:"config"`             // as in [Order], or as wanted
	Name     string    `json:"name"`               // for people
	Device   string    `json:"device"`             // the first device, in the backend's words
	Devices  int       `json:"devices"`            // how many there are
	Plugin   string    `json:"plugin,omitempty"`   // path of the plugin; "" for the pure-Go backend
	Refusals []Refusal `json:"refusals,omitempty"` // the better ones, in the order they were tried
}

// XLA reports whether the choice is a plugin.
func (c Choice) XLA() bool { return c.Plugin != "" }

// Order returns the configurations that "" tries, best first.
func Order() []string { return []string{"xla:cuda", "xla:rocm", "xla:cpu", GoConfig} }

// Open opens the first backend that works. The caller finalizes it.
func Open(ctx context.Context, p Params) (compute.Backend, Choice, error) {
	return newChooser(p).choose(ctx, p, true)
}

// Choose returns what [Open] would open, without loading a plugin into this process. For a plugin that came through
// its probe before, it costs a stat.
func Choose(ctx context.Context, p Params) (Choice, error) {
	_, choice, err := newChooser(p).choose(ctx, p, false)
	return choice, err
}

// chooser is the sequence find, check, probe, load. Tests put their own steps in.
type chooser struct {
	find  func(config) ([]string, error)                         // plugin files, best first; at least one, or the reason
	check func(context.Context, config, string) (devices, error) // static check and probe of one file
	load  func(config, string) (compute.Backend, devices, error) // one file, into this process
	limit time.Duration                                          // for load
}

// devices is what a backend says of its hardware.
type devices struct {
	Device  string `json:"device"`
	Devices int    `json:"devices"`
}

func newChooser(p Params) chooser {
	return chooser{find: newFinder(p.dir()).find, check: newProber(p).check, load: load, limit: openLimit}
}

// choose tries p's configurations in turn, and the plugin files of each.
func (c chooser) choose(ctx context.Context, p Params, open bool) (compute.Backend, Choice, error) {
	configs, err := p.configs()
	if err != nil {
		return nil, Choice{}, err
	}
	var choice Choice
	for _, cfg := range configs {
		backend, got, refusals := c.try(ctx, cfg, open)
		if err := ctx.Err(); err != nil {
			if backend != nil {
				backend.Finalize()
			}
			return nil, Choice{}, fmt.Errorf("choosing a backend: %w", context.Cause(ctx))
		}
		if got.Config != "" {
			got.Refusals = append(choice.Refusals, refusals...)
			return backend, got, nil
		}
		choice.Refusals = append(choice.Refusals, refusals...)
	}
	reasons := make([]string, len(choice.Refusals))
	for i, r := range choice.Refusals {
		reasons[i] = r.Config + ": " + r.Reason
	}
	return nil, choice, fmt.Errorf("%w: %s", errNothingOpened, strings.Join(reasons, "; "))
}

// try opens (or checks) one configuration. The choice has a Config if it works; refusals may then name files before
// the one that does.
func (c chooser) try(ctx context.Context, cfg config, open bool) (compute.Backend, Choice, []Refusal) {
	refuse := func(err error) Refusal { return Refusal{cfg.String(), sentence(err)} }
	if cfg.plugin == "" {
		dev := cpuDevices()
		choice := Choice{Config: cfg.String(), Name: cfg.name(), Device: dev.Device, Devices: dev.Devices}
		if !open {
			return nil, choice, nil
		}
		backend, err := openGo(cfg)
		if err != nil {
			return nil, Choice{}, []Refusal{refuse(err)}
		}
		return backend, choice, nil
	}
	files, err := c.find(cfg)
	if err != nil {
		return nil, Choice{}, []Refusal{refuse(err)}
	}
	var refusals []Refusal
	for _, file := range files {
		dev, err := c.check(ctx, cfg, file)
		var backend compute.Backend
		if err == nil && open {
			backend, dev, err = c.loadBounded(ctx, cfg, file)
		}
		if err == nil {
			return backend, Choice{Config: cfg.String(), Name: cfg.name(), Device: dev.Device, Devices: dev.Devices, Plugin: file}, refusals
		}
		refusals = append(refusals, refuse(fmt.Errorf("%s: %w", file, err)))
	}
	return nil, Choice{}, refusals
}

// loadBounded loads in a goroutine that it abandons when the time is up: a call into a plugin cannot be interrupted.
// A probe has shown before that this plugin returns, so that takes a driver that hangs from one second to the next.
func (c chooser) loadBounded(ctx context.Context, cfg config, file string) (compute.Backend, devices, error) {
	type result struct {
		backend compute.Backend
		devices devices
		err     error
	}
	ch := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if x := recover(); x != nil {
				r = result{err: fmt.Errorf("loading the plugin panicked: %v", x)}
			}
			ch <- r
		}()
		r.backend, r.devices, r.err = c.load(cfg, file)
	}()
	timer := time.NewTimer(c.limit)
	defer timer.Stop()
	select {
	case r := <-ch:
		return r.backend, r.devices, r.err
	case <-timer.C:
		return nil, devices{}, fmt.Errorf("loading the plugin did not end within %v", c.limit)
	case <-ctx.Done():
		return nil, devices{}, context.Cause(ctx)
	}
}

// sentenceLimit is the length in bytes of a reason: XLA's messages run over pages.
const sentenceLimit = 300

// sentence is the first line of an error, cut to a length that a person reads.
func sentence(err error) string {
	s, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	if len(s) > sentenceLimit {
		s = strings.ToValidUTF8(s[:sentenceLimit], "") + "…"
	}
	return strings.TrimSuffix(s, ".")
}

// cpuDevices is this machine's processor as a device.
func cpuDevices() devices { return devices{fmt.Sprintf("CPU, %d threads", runtime.NumCPU()), 1} }
