package xla

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// touch makes empty files and returns their directory.
func touch(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFind(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no plugins on Windows")
	}
	dev := touch(t, "nvidia0", "kfd")
	opt := touch(t, "rocm/lib/libamdhip64.so.7")
	noCommand := func(string) (string, error) { return "", errors.New("not found") }
	own := touch(t, "cpu-9.9/pjrt_c_api_cpu_plugin.so", "cpu-9.9/LICENSE", "cuda13-1/plugin/pjrt_c_api_cuda_plugin.so", "cuda12-1/plugin/pjrt_c_api_cuda_plugin.so", ".cuda13-2/plugin/pjrt_c_api_cuda_plugin.so")
	user := touch(t, "pjrt_c_api_cpu_plugin.so", "pjrt_c_api_cpu_v0.83.1_plugin.so", "pjrt-plugin-rocm.so", "pjrt_c_api_tpu_plugin.so", "libm.so")
	home := touch(t, ".local/lib/go-xla/pjrt_c_api_cuda_plugin.so")
	gpuWithout := "put pjrt_c_api_rocm_plugin.so into"
	if _, ok := pinned("rocm"); ok {
		gpuWithout = "`murmur xla install rocm` gets it (140 MB download)"
	}
	cuda13, cuda12 := own+"/cuda13-1/plugin/pjrt_c_api_cuda_plugin.so", own+"/cuda12-1/plugin/pjrt_c_api_cuda_plugin.so"
	for _, tc := range []struct {
		name, plugin, dev, env, off, driver string
		want                                []string
		err                                 string
	}{
		{name: "own", plugin: "cpu", dev: dev, want: []string{own + "/cpu-9.9/pjrt_c_api_cpu_plugin.so"}},
		{name: "own, then GoMLX's", plugin: "cuda", dev: dev, want: []string{cuda13, cuda12, home + "/.local/lib/go-xla/pjrt_c_api_cuda_plugin.so"}},
		{name: "driver for CUDA 12", plugin: "cuda", dev: dev, driver: "570.124.06\n", want: []string{cuda12, home + "/.local/lib/go-xla/pjrt_c_api_cuda_plugin.so"}},
		{name: "search path replaces them", plugin: "cpu", dev: dev, env: user, want: []string{user + "/pjrt_c_api_cpu_plugin.so", user + "/pjrt_c_api_cpu_v0.83.1_plugin.so"}},
		{name: "search path without one", plugin: "cuda", dev: dev, env: user, err: "no cuda plugin in " + searchPathEnv},
		{name: "relative search path", plugin: "cpu", dev: dev, env: ".", err: "no cpu plugin in"},
		{name: "another file name", plugin: "rocm", dev: dev, env: user, want: []string{user + "/pjrt-plugin-rocm.so"}},
		{name: "no NVIDIA GPU", plugin: "cuda", dev: own, err: "no NVIDIA GPU found: neither /dev/nvidia* nor nvidia-smi"},
		{name: "no AMD GPU", plugin: "rocm", dev: own, err: "no AMD GPU with ROCm found"},
		{name: "GPU without plugin", plugin: "rocm", dev: dev, err: gpuWithout},
		{name: "path", plugin: "/some/plugin.so", dev: own, want: []string{"/some/plugin.so"}},
		{name: "no XLA in this build", plugin: "cpu", dev: dev, off: "this build has none", err: "this build has none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("HOME", home)
			t.Setenv("LD_LIBRARY_PATH", "relative")
			t.Setenv(searchPathEnv, tc.env)
			if tc.env == "" {
				if err := os.Unsetenv(searchPathEnv); err != nil {
					t.Fatal(err)
				}
			}
			files, err := finder{
				dir: own, off: tc.off, devices: tc.dev, opt: opt, path: noCommand, driver: func() string { return tc.driver },
			}.find(config{plugin: tc.plugin})
			if !slices.Equal(files, tc.want) {
				t.Errorf("found %q, want %q", files, tc.want)
			}
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("err %v, want %q", err, tc.err)
			}
		})
	}
}

func TestPathClash(t *testing.T) {
	for _, tc := range []struct{ config, file, want string }{
		{"xla:cpu", "/home/ada/xla/pjrt_c_api_cpu_plugin.so", ""},
		{"xla:cpu", "/home/nvidia/xla/pjrt_c_api_cpu_plugin.so", `"nvidia"`},
		{"xla:cpu", "/srv/CUDA-box/pjrt_c_api_cpu_plugin.so", `"cuda"`},
		{"xla:cuda", "/home/nvidia/pjrt_c_api_cuda_plugin.so", ""},
		{"xla:cuda", "/home/my data/pjrt_c_api_cuda_plugin.so", "blank"},
		{"xla:cpu", "/home/my data/pjrt_c_api_cpu_plugin.so", ""},
		{"xla:rocm", "/home/nvidia/pjrt_c_api_rocm_plugin.so", `"nvidia"`},
		{"xla:cpu", "/srv/a,b/pjrt_c_api_cpu_plugin.so", "comma"},
	} {
		c, err := parseConfig(tc.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := pathClash(c, tc.file); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.file, err, tc.want)
		}
	}
}

func TestCache(t *testing.T) {
	dir := touch(t, "a.so", "b.so")
	a, b := filepath.Join(dir, "a.so"), filepath.Join(dir, "b.so")
	cache := filepath.Join(dir, "deep", "probed.json")
	dev := devices{"a device", 3}
	if _, ok := lookup(cache, a); ok {
		t.Error("found in a cache that is not there")
	}
	remember(cache, a, stamp(a), dev)
	remember(cache, b, stamp(b), dev)
	if got, ok := lookup(cache, a); !ok || got != dev {
		t.Errorf("lookup: %+v, %v", got, ok)
	}
	if err := os.WriteFile(a, []byte("grown"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := lookup(cache, a); ok {
		t.Error("found after the file changed")
	}
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	if _, ok := lookup(cache, b); ok {
		t.Error("found after the file went")
	}
	remember(cache, a, stamp(a), dev)
	if all := readCache(cache); len(all) != 1 {
		t.Errorf("files that went are still held: %v", all)
	}
	if err := os.WriteFile(cache, []byte(`{"`+a+`": 7`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := lookup(cache, a); ok {
		t.Error("found in a damaged cache")
	}
	remember(cache, a, stamp(a), dev)
	if _, ok := lookup(cache, a); !ok {
		t.Error("a damaged cache is not replaced")
	}
}

func TestDataDir(t *testing.T) {
	t.Setenv("MURMUR_DATA", "")
	if runtime.GOOS == "linux" {
		for _, tc := range []struct{ xdg, home, want string }{
			{"", "/home/ada", "/home/ada/.local/share/murmur"},
			{"/data", "/home/ada", "/data/murmur"},
			{"relative", "/home/ada", "/home/ada/.local/share/murmur"},
		} {
			t.Setenv("XDG_DATA_HOME", tc.xdg)
			t.Setenv("HOME", tc.home)
			if got, err := DataDir(); err != nil || got != tc.want {
				t.Errorf("%+v: %q, %v", tc, got, err)
			}
		}
		t.Setenv("HOME", "")
		if _, err := DataDir(); err == nil || !strings.Contains(err.Error(), "MURMUR_DATA") {
			t.Errorf("no home: %v", err)
		}
	}
	own := t.TempDir()
	t.Setenv("MURMUR_DATA", own)
	if got, err := DataDir(); err != nil || got != own {
		t.Errorf("MURMUR_DATA: %q, %v", got, err)
	}
	if got := (Params{}).dir(); got != filepath.Join(own, "xla") {
		t.Errorf("plugins in %q", got)
	}
}
