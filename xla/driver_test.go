package xla

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseDriver(t *testing.T) {
	for _, tc := range []struct {
		text, version string
		major         int
	}{
		{"NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n", "535.183.01", 535},
		{"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (builder@host)  Sun Jul 27 07:13:53 UTC 2025\n", "580.65.06", 580},
		{"581.15\n581.15\n", "581.15", 581}, // nvidia-smi with two GPUs
		{"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", "", 0},
		{"", "", 0},
	} {
		if version, major := parseDriver(tc.text); version != tc.version || major != tc.major {
			t.Errorf("%q: %q, %d; want %q, %d", tc.text, version, major, tc.version, tc.major)
		}
	}
}

// Which set suits a machine, and what is said of one that does not.
func TestBestSet(t *testing.T) {
	if _, ok := pinned("cuda13"); !ok {
		t.Skip("no CUDA plugin is pinned for this platform and build")
	}
	nvidia, amd, both, none := touch(t, "nvidia0"), touch(t, "kfd"), touch(t, "nvidia0", "kfd"), t.TempDir()
	opt := touch(t, "rocm/lib/libamdhip64.so.7")
	all := []string{"cuda", "rocm", "cpu"}
	for _, tc := range []struct {
		name, dev, opt, driver string
		kinds, there           []string
		want, old12, old13     string
	}{
		{name: "new driver", dev: nvidia, driver: "580.65.06", kinds: all, want: "cuda13"},
		{name: "driver of CUDA 12", dev: nvidia, driver: "570.124.06", kinds: all, want: "cuda12", old13: "run `murmur xla install cuda12`"},
		{name: "oldest driver", dev: nvidia, driver: "525.60.13", kinds: all, want: "cuda12", old13: "this machine has 525.60.13"},
		{name: "driver too old", dev: nvidia, driver: "470.256.02", kinds: all, want: "cpu", old12: "525 or newer, this machine has 470.256.02: update", old13: "update the driver first"},
		{name: "driver that does not tell", dev: nvidia, kinds: all, want: "cuda13"},
		{name: "CUDA is there already", dev: nvidia, driver: "580.65.06", kinds: all, there: []string{"cuda13"}, want: "cpu"},
		{name: "AMD", dev: amd, opt: opt, kinds: all, want: "rocm"},
		{name: "AMD without ROCm", dev: amd, opt: none, kinds: all, want: "cpu"},
		{name: "both", dev: both, opt: opt, driver: "580.65.06", kinds: all, want: "cuda13"},
		{name: "rocm wanted", dev: both, opt: opt, driver: "580.65.06", kinds: []string{"rocm"}, want: "rocm"},
		{name: "no GPU", dev: none, kinds: all, want: "cpu"},
		{name: "no GPU, CUDA wanted", dev: none, kinds: []string{"cuda"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := finder{devices: tc.dev, opt: tc.opt, driver: func() string { return tc.driver }, path: func(string) (string, error) { return "", errors.New("not found") }}
			if got := f.best(tc.kinds, func(name string) bool { return slices.Contains(tc.there, name) }); got != tc.want {
				t.Errorf("best %q, want %q", got, tc.want)
			}
			for name, want := range map[string]string{"cuda12": tc.old12, "cuda13": tc.old13, "cpu": "", "rocm": ""} {
				if err := f.tooOld(name); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s: %v, want %q", name, err, want)
				}
			}
		})
	}
}
