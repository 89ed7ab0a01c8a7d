//go:build !cgo || !(linux || darwin)

package xla

import (
	"errors"
	"os/exec"
	"runtime"

	"github.com/gomlx/compute"
)

// whyNoXLA is why this build cannot load plugins.
func whyNoXLA() string {
	if runtime.GOOS == "linux" || runtime.GOOS == "darwin" {
		return "this build of murmur has no XLA (built without cgo)"
	}
	return "this build of murmur has no XLA (there is none for " + runtime.GOOS + ")"
}

func load(config, string) (compute.Backend, devices, error) {
	return nil, devices{}, errors.New(whyNoXLA())
}

func isolate(cmd *exec.Cmd) (kill func() error) {
	return func() error { return cmd.Process.Kill() }
}
