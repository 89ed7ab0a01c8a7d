package xla

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gomlx/compute"
)

// fakes is a chooser in which each plugin file does what its name says; one that hangs does until release is closed.
func fakes(files map[string][]string, release chan struct{}) chooser {
	return chooser{
		find: func(c config) ([]string, error) {
			if len(files[c.plugin]) == 0 {
				return nil, errors.New("no plugin installed")
			}
			return files[c.plugin], nil
		},
		check: func(_ context.Context, _ config, file string) (devices, error) {
			if file == "/truncated" {
				return devices{}, errors.New("it is truncated")
			}
			return devices{"device of " + file, 2}, nil
		},
		load: func(_ config, file string) (compute.Backend, devices, error) {
			switch file {
			case "/panics":
				panic("nil pointer")
			case "/hangs":
				<-release
				return nil, devices{}, errors.New("too late")
			case "/pages":
				return nil, devices{}, errors.New("first line.\nsecond line\n" + strings.Repeat("x", 5000))
			}
			b, err := openGo(config{options: "parallelism=-1"})
			return b, devices{"device of " + file, 2}, err
		},
		limit: openLimit,
	}
}

func TestChooseOrderAndReasons(t *testing.T) {
	all := map[string][]string{"cuda": {"/good-cuda"}, "rocm": {"/good-rocm"}, "cpu": {"/good-cpu"}}
	for _, tc := range []struct {
		name, want string
		files      map[string][]string
		config     string   // chosen; "" for an error
		plugin     string   // chosen
		reasons    []string // "config: reason" in order
	}{
		{"best of all", "", all, "xla:cuda", "/good-cuda", nil},
		{
			"cpu after two", "",
			map[string][]string{"cpu": {"/good-cpu"}},
			"xla:cpu", "/good-cpu",
			[]string{"xla:cuda: no plugin installed", "xla:rocm: no plugin installed"},
		},
		{
			"none but go", "",
			map[string][]string{"cuda": {"/panics"}, "rocm": {"/hangs"}, "cpu": {"/truncated", "/pages"}},
			GoConfig, "",
			[]string{
				"xla:cuda: /panics: loading the plugin panicked: nil pointer",
				"xla:rocm: /hangs: loading the plugin did not end within 1m0s",
				"xla:cpu: /truncated: it is truncated", "xla:cpu: /pages: first line",
			},
		},
		{
			"second file of a kind", "xla:cpu",
			map[string][]string{"cpu": {"/truncated", "/good-cpu"}},
			"xla:cpu", "/good-cpu",
			[]string{"xla:cpu: /truncated: it is truncated"},
		},
		{"go named", "go", all, GoConfig, "", nil},
		{"xla means any plugin", "xla", map[string][]string{"rocm": {"/good-rocm"}}, "xla:rocm", "/good-rocm", []string{"xla:cuda: no plugin installed"}},
		{"named one refuses: no fallback", "xla:rocm", map[string][]string{"cpu": {"/good-cpu"}}, "", "", []string{"xla:rocm: no plugin installed"}},
		{"any plugin, none there", "xla", nil, "", "", []string{"xla:cuda: no plugin installed", "xla:rocm: no plugin installed", "xla:cpu: no plugin installed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				backend, choice, err := fakes(tc.files, release).choose(t.Context(), Params{Want: tc.want}, true)
				if (err == nil) != (tc.config != "") || (backend == nil) != (err != nil) {
					t.Fatalf("backend %v, err %v, want config %q", backend, err, tc.config)
				}
				if backend != nil {
					backend.Finalize()
				}
				if choice.Config != tc.config || choice.Plugin != tc.plugin || choice.XLA() != (tc.plugin != "") {
					t.Errorf("chose %q from %q, want %q from %q", choice.Config, choice.Plugin, tc.config, tc.plugin)
				}
				var reasons []string
				for _, r := range choice.Refusals {
					reasons = append(reasons, r.Config+": "+r.Reason)
				}
				if !slices.Equal(reasons, tc.reasons) {
					t.Errorf("reasons %q, want %q", reasons, tc.reasons)
				}
				for _, r := range tc.reasons {
					if err != nil && !strings.Contains(err.Error(), r) {
						t.Errorf("error %q does not tell %q", err, r)
					}
				}
			})
		})
	}
}

func TestChooseStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	release := make(chan struct{})
	defer close(release)
	c := fakes(map[string][]string{"cuda": {"/hangs"}}, release)
	if _, _, err := c.choose(ctx, Params{}, true); !errors.Is(err, context.Canceled) {
		t.Fatalf("err %v, want context.Canceled", err)
	}
}

func TestParseConfig(t *testing.T) {
	for _, tc := range []struct{ in, out, kind, err string }{
		{"go", GoConfig, "", ""},
		{"go:", GoConfig, "", ""},
		{"go:parallelism=1", "go:parallelism=1", "", ""},
		{"go:ops_sequential", "go:ops_sequential", "", ""},
		{"go:parallelism=8", "", "", "can deadlock"},
		{"go:ops_parallel", "", "", "can deadlock"},
		{"go:parallelism=x", "", "", "not a whole number"},
		{"xla:cpu", "xla:cpu", "cpu", ""},
		{"xla:cuda,visible_devices=0;1", "xla:cuda,visible_devices=0;1", "cuda", ""},
		{"xla:/a/pjrt_c_api_cuda_plugin.so", "xla:/a/pjrt_c_api_cuda_plugin.so", "cuda", ""},
		{"xla:/a/pjrt_c_api_cpu_v0.83.1_plugin.so", "xla:/a/pjrt_c_api_cpu_v0.83.1_plugin.so", "cpu", ""},
		{"xla:/a/pjrt-plugin-rocm.so", "xla:/a/pjrt-plugin-rocm.so", "rocm", ""},
		{"xla:/a/mine.so", "xla:/a/mine.so", "other", ""},
		{"xla:tpu", "", "", "unknown backend"},
		{"xla:", "", "", "unknown backend"},
		{"onnx", "", "", "unknown backend"},
	} {
		c, err := parseConfig(tc.in)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%q: err %v, want %q", tc.in, err, tc.err)
			}
			continue
		}
		if err != nil || c.String() != tc.out || c.kind() != tc.kind {
			t.Errorf("%q: %q of kind %q, err %v; want %q of kind %q", tc.in, c, c.kind(), err, tc.out, tc.kind)
		}
	}
}

// A trainer speaks its protocol on standard output, where GoMLX would print a line.
func TestOpenGoPrintsNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	backend, choice, err := Open(t.Context(), Params{Want: "go"})
	os.Stdout = stdout
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	printed, err := io.ReadAll(r)
	if err != nil || len(printed) > 0 {
		t.Errorf("standard output got %q, err %v", printed, err)
	}
	if !strings.Contains(backend.Description(), "parallelism=-1") {
		t.Errorf("opened %q, whose executor can deadlock", backend.Description())
	}
	if choice.Config != GoConfig || choice.Devices != 1 {
		t.Errorf("choice %+v", choice)
	}
}

func TestOpenUnknown(t *testing.T) {
	if err := (Params{Want: "tensorflow"}).Validate(); err == nil {
		t.Error("Validate accepts an unknown backend")
	}
	if b, _, err := Open(t.Context(), Params{Want: "tensorflow"}); err == nil || b != nil {
		t.Errorf("opened %v, err %v", b, err)
	}
}
