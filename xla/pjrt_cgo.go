//go:build cgo && (linux || darwin)

package xla

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/go-xla/compute/xla" // registers the backend "xla"; without its auto-install package it downloads nothing
)

// whyNoXLA is why this build cannot load plugins; "" if it can.
func whyNoXLA() string { return "" }

// load opens one plugin file in this process. Plugins are always named by their absolute path: by a short name GoMLX
// would load every file of its search path to look at it.
func load(c config, file string) (compute.Backend, devices, error) {
	backend, err := compute.NewWithConfig(c.withPlugin(file))
	if err != nil {
		return nil, devices{}, plain(err, file)
	}
	n := backend.NumDevices()
	if n < 1 {
		backend.Finalize()
		return nil, devices{}, fmt.Errorf("the plugin has no device")
	}
	if c.kind() == "cpu" {
		// The CPU plugin shows one processor as several devices; the first, which murmur uses, has all its threads.
		return backend, cpuDevices(), nil
	}
	name, _, _ := strings.Cut(backend.DeviceDescription(0), " [processId=")
	return backend, devices{Device: name, Devices: n}, nil
}

// plain is what went wrong, without GoMLX's account of where: the path and the same words, several times over.
func plain(err error, file string) error {
	err = root(err)
	_, loader, found := strings.Cut(err.Error(), "failed to dynamically load PJRT plugin from ")
	if !found {
		return err
	}
	loader, _, _ = strings.Cut(loader, " -- check with")
	loader = strings.NewReplacer(strconv.Quote(file), "", file+": ", "").Replace(loader)
	return fmt.Errorf("the dynamic loader refuses it: %s", strings.Trim(loader, `": `))
}

// isolate gives cmd a process group of its own, and returns how to kill all of it.
func isolate(cmd *exec.Cmd) (kill func() error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
