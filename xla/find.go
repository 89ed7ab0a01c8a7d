package xla

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// searchPathEnv replaces all places where plugins are looked for, as it does in GoMLX.
const searchPathEnv = "PJRT_PLUGIN_LIBRARY_PATH"

// maxCandidates bounds how many files are tried for one configuration; each may cost a probe.
const maxCandidates = 4

// finder looks for plugin files. It opens none of them.
type finder struct {
	dir     string // installed plugins, one directory each
	off     string // why this build has no XLA, or ""
	devices string // root of the device files
	opt     string // where AMD installs ROCm
	path    func(string) (string, error)
	driver  func() string // what NVIDIA's says of itself
}

func newFinder(dir string) finder {
	return finder{dir: dir, off: whyNoXLA(), devices: "/dev", opt: "/opt", path: exec.LookPath, driver: sync.OnceValue(driver)}
}

// find returns the plugin files for c, best first, or the reason why there is none.
func (f finder) find(c config) ([]string, error) {
	if f.off != "" {
		return nil, errors.New(f.off)
	}
	if filepath.IsAbs(c.plugin) {
		return []string{c.plugin}, nil
	}
	if err := f.hardware(c.plugin); err != nil {
		return nil, err
	}
	var files []string
	for _, dir := range f.dirs(c.plugin) {
		candidates, _ := filepath.Glob(filepath.Join(dir, "pjrt*")) // the pattern is well formed; an unreadable directory holds nothing
		for _, file := range candidates {
			if (config{plugin: file}).kind() == c.plugin && !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		return nil, f.missing(c.plugin)
	}
	return files[:min(len(files), maxCandidates)], nil
}

// dirs are the directories searched for plugins of one kind: the user's search path alone if set, else murmur's own
// (the pinned version first), then GoMLX's and the loader's.
func (f finder) dirs(kind string) []string {
	if path, ok := os.LookupEnv(searchPathEnv); ok {
		return absolute(filepath.SplitList(path))
	}
	var dirs []string
	for _, name := range f.setsOf(kind) {
		trees, _ := filepath.Glob(filepath.Join(f.dir, name+"-*")) // staging trees begin with a dot
		if s, ok := pinned(name); ok {
			trees = append([]string{filepath.Join(f.dir, s.dir())}, trees...)
		}
		for _, tree := range trees {
			if intact(tree) {
				dirs = append(dirs, tree, filepath.Join(tree, "plugin"))
			}
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".local/lib/go-xla"), filepath.Join(home, ".local/lib/go-xla/nvidia"))
	}
	dirs = append(dirs, "/usr/local/lib/go-xla", "/usr/local/lib/go-xla/nvidia")
	return absolute(append(dirs, filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))...))
}

// absolute drops relative directories: a plugin must not depend on where murmur is started.
func absolute(dirs []string) []string {
	return slices.DeleteFunc(dirs, func(dir string) bool { return !filepath.IsAbs(dir) })
}

// hardware tells whether the machine shows a GPU of the kind at all.
func (f finder) hardware(kind string) error {
	has := func(pattern string) bool {
		found, _ := filepath.Glob(filepath.Join(f.devices, pattern))
		return len(found) > 0
	}
	switch kind {
	case "cuda":
		_, err := f.path("nvidia-smi")
		if err != nil && !has("nvidia*") && !has("dxg") { // dxg: the GPU of the Windows host below WSL2
			return errors.New("no NVIDIA GPU found: neither /dev/nvidia* nor nvidia-smi")
		}
	case "rocm":
		if !has("kfd") {
			return errors.New("no AMD GPU with ROCm found: no /dev/kfd")
		}
	}
	return nil
}

func (f finder) missing(kind string) error {
	if path, ok := os.LookupEnv(searchPathEnv); ok {
		return fmt.Errorf("no %s plugin in %s=%q", kind, searchPathEnv, path)
	}
	if kind == "cuda" && len(f.setsOf(kind)) == 0 {
		version, _ := parseDriver(f.driver())
		return fmt.Errorf("the NVIDIA driver is too old, %s: CUDA 12 needs %d or newer, CUDA 13 %d", version, cuda12Driver, cuda13Driver)
	}
	if name := f.best([]string{kind}, func(string) bool { return false }); name != "" {
		s, _ := pinned(name)
		return fmt.Errorf("no plugin installed: `murmur xla install %s` gets it (%s download)", name, bytesText(s.download()))
	}
	if err := f.rocm(); kind == "rocm" && err != nil {
		return err
	}
	return fmt.Errorf("no plugin found: put pjrt_c_api_%s_plugin.so into ~/.local/lib/go-xla or name its path as xla:/path", kind)
}

// pathClash refuses plugin paths that would be misread: GoMLX takes a name with "cuda" or "nvidia" in it for a CUDA
// plugin, and ends the name at a comma; XLA is told of CUDA's tools in a list that blanks separate.
func pathClash(c config, file string) error {
	if strings.Contains(file, ",") {
		return errors.New("the path of a plugin must not hold a comma: move it")
	}
	kind := (config{plugin: file}).kind()
	if kind == "cuda" && strings.ContainsAny(file, " \t\n") {
		return errors.New("the path of a CUDA plugin must not hold a blank: set MURMUR_DATA to a directory without one")
	}
	if (kind == "cpu" || kind == "rocm") && c.kind() == kind {
		lower := strings.ToLower(file)
		for _, word := range []string{"cuda", "nvidia"} {
			if strings.Contains(lower, word) {
				return fmt.Errorf("the path holds %q, which makes GoMLX take it for a CUDA plugin: set MURMUR_DATA to a directory without it", word)
			}
		}
	}
	return nil
}
