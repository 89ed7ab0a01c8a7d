package xla

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// config is a parsed backend configuration.
type config struct {
	plugin  string // "cuda", "rocm", "cpu", an absolute path, or "" for the pure-Go backend
	options string // what follows the first comma (xla) or the colon (go)
}

// configs are the configurations that p.Want stands for, best first.
func (p Params) configs() ([]config, error) {
	var names []string
	switch p.Want {
	case "":
		names = Order()
	case "xla":
		names = Order()[:3]
	default:
		names = []string{p.Want}
	}
	configs := make([]config, len(names))
	for i, name := range names {
		var err error
		if configs[i], err = parseConfig(name); err != nil {
			return nil, err
		}
	}
	return configs, nil
}

func parseConfig(s string) (config, error) {
	backend, rest, _ := strings.Cut(s, ":")
	switch backend {
	case "go":
		if rest == "" {
			return parseConfig(GoConfig)
		}
		return config{options: rest}, checkGoOptions(rest)
	case "xla":
		plugin, options, _ := strings.Cut(rest, ",")
		if plugin == "cuda" || plugin == "rocm" || plugin == "cpu" || filepath.IsAbs(plugin) {
			return config{plugin: plugin, options: options}, nil
		}
	}
	return config{}, fmt.Errorf("unknown backend %q: use go, xla:cpu, xla:cuda, xla:rocm or xla:/path/to/plugin.so", s)
}

// checkGoOptions refuses settings in which the pure-Go executor can deadlock; see [GoConfig].
func checkGoOptions(options string) error {
	sequential, parallelism := false, 2 // GoMLX's own default is twice GOMAXPROCS
	for option := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "ops_sequential":
			sequential = true
		case "parallelism":
			var err error
			if parallelism, err = strconv.Atoi(value); err != nil {
				return fmt.Errorf("backend go: parallelism=%q is not a whole number: use %s", value, GoConfig)
			}
		}
	}
	if parallelism > 1 && !sequential {
		return fmt.Errorf("backend go:%s can deadlock: use %s or go:ops_sequential", options, GoConfig)
	}
	return nil
}

// String is the configuration as a user writes it.
func (c config) String() string {
	if c.plugin == "" {
		return "go:" + c.options
	}
	return c.withPlugin(c.plugin)
}

// withPlugin is the same configuration for one plugin file.
func (c config) withPlugin(plugin string) string {
	if c.options == "" {
		return "xla:" + plugin
	}
	return "xla:" + plugin + "," + c.options
}

func (c config) name() string {
	switch c.kind() {
	case "":
		return "pure Go"
	case "cuda":
		return "XLA on NVIDIA CUDA"
	case "rocm":
		return "XLA on AMD ROCm"
	case "cpu":
		return "XLA on CPU"
	}
	return "XLA"
}

// pluginFile is how plugin files are called, by GoMLX's rule; the name may carry a version, as in cpu_v0.83.1.
var pluginFile = regexp.MustCompile(`^pjrt(?:_c_api_|-plugin-|_plugin_)([a-z0-9]+)(?:_v[0-9.]+)?(?:_plugin)?\.(?:so|dylib|dll)$`)

// kind is the plugin's name: "cpu", "cuda", …; for a path, what its file name says, or "other".
func (c config) kind() string {
	if !filepath.IsAbs(c.plugin) {
		return c.plugin
	}
	if m := pluginFile.FindStringSubmatch(filepath.Base(c.plugin)); m != nil {
		return m[1]
	}
	return "other"
}
