package xla

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

const (
	smiLimit     = 10 * time.Second // for nvidia-smi, which may hang with its driver
	maxDriver    = 4 << 10          // bytes of the driver's account of itself
	cuda13Driver = 580              // the first driver that runs CUDA 13
	cuda12Driver = 525              // the first driver that runs all of CUDA 12
)

// driverVersion is the first thing that looks like 580.65.06, as the driver and nvidia-smi write it.
var driverVersion = regexp.MustCompile(`(?:^|\s)(\d{3,4})(\.\d+)+`)

// driverFor is the major version of the oldest NVIDIA driver that runs a set; 0 if it needs none.
func driverFor(name string) int {
	switch name {
	case "cuda13":
		return cuda13Driver
	case "cuda12":
		return cuda12Driver
	}
	return 0
}

// driver is what the NVIDIA driver says of itself: /proc on Linux, and nvidia-smi below WSL2, which has no such file.
// It is "" if there is none.
func driver() string {
	text, err := os.ReadFile("/proc/driver/nvidia/version")
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), smiLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
		cmd.WaitDelay = time.Second
		if text, err = cmd.Output(); err != nil {
			return ""
		}
	}
	return string(text[:min(len(text), maxDriver)])
}

// parseDriver finds the version in what driver returns; major is 0 if there is none.
func parseDriver(text string) (version string, major int) {
	m := driverVersion.FindStringSubmatch(text)
	if m == nil {
		return "", 0
	}
	major, _ = strconv.Atoi(m[1]) // the pattern has up to four digits
	return regexp.MustCompile(`\d[\d.]*`).FindString(m[0]), major
}

// setsOf are the sets with a plugin of one kind, best first; for CUDA, those that the driver runs, which are all if it
// does not tell its version.
func (f finder) setsOf(kind string) []string {
	switch kind {
	case "cuda":
		var fit []string
		_, major := parseDriver(f.driver())
		for _, name := range []string{"cuda13", "cuda12"} {
			if major == 0 || major >= driverFor(name) {
				fit = append(fit, name)
			}
		}
		return fit
	case "cpu", "rocm":
		return []string{kind}
	}
	return nil
}

// tooOld refuses a CUDA set that needs a newer driver than there is.
func (f finder) tooOld(name string) error {
	need := driverFor(name)
	if need == 0 {
		return nil
	}
	version, major := parseDriver(f.driver())
	switch {
	case major == 0 || major >= need:
		return nil
	case major >= cuda12Driver:
		return fmt.Errorf("the %s needs NVIDIA driver %d or newer, this machine has %s: run `murmur xla install cuda12`, or update the driver first", title(name), need, version)
	}
	return fmt.Errorf("the %s needs NVIDIA driver %d or newer, this machine has %s: update the driver first", title(name), need, version)
}

// best is the first pinned set of the kinds that suits the hardware and that skip does not name, or "".
func (f finder) best(kinds []string, skip func(name string) bool) string {
	for _, kind := range kinds {
		if f.hardware(kind) != nil || kind == "rocm" && f.rocm() != nil {
			continue
		}
		if sets := f.setsOf(kind); len(sets) > 0 && !skip(sets[0]) {
			if _, ok := pinned(sets[0]); ok {
				return sets[0]
			}
		}
	}
	return ""
}

// rocm tells whether the machine has the ROCm libraries that the plugin links with.
func (f finder) rocm() error {
	if found, _ := filepath.Glob(filepath.Join(f.opt, "rocm", "lib", "libamdhip64.so.7*")); len(found) == 0 {
		return fmt.Errorf("no ROCm 7 in %s: install it from AMD or your distribution, the XLA ROCm plugin links with its libraries", filepath.Join(f.opt, "rocm"))
	}
	return nil
}

// Warn says in one line why a set that can be installed would not run on this machine as it is, or "". That is no
// reason to refuse: images are built on machines without a GPU.
func (p InstallParams) Warn() string {
	s, ok := pinned(p.Which)
	if !ok {
		return ""
	}
	f := newFinder("")
	if err := f.hardware(s.kind); err != nil {
		return fmt.Sprintf("%v: the %s will not be used on this machine as it is", err, title(s.name))
	}
	if s.kind == "rocm" {
		if err := f.rocm(); err != nil {
			return err.Error()
		}
	}
	return ""
}
