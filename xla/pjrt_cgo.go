//go:build cgo && (linux || darwin)

package xla

// #cgo linux LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/go-xla/compute/xla" // registers the backend "xla"; without its auto-install package it downloads nothing

	_ "github.com/murmurnet/murmur/xla/heap" // XLA's arrays come from it
	"github.com/murmurnet/murmur/xla/quiet"
)

func init() { quiet.Restore() } // go-xla is initialised by now

// whyNoXLA is why this build cannot load plugins; "" if it can.
func whyNoXLA() string { return "" }

// load opens one plugin file in this process. Plugins are always named by their absolute path: by a short name GoMLX
// would load every file of its search path to look at it.
func load(c config, file string) (compute.Backend, devices, error) {
	if c.kind() == "cuda" || (config{plugin: file}).kind() == "cuda" {
		if err := prepareCUDA(file); err != nil {
			return nil, devices{}, err
		}
	}
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

// cudaLibraries are what a CUDA plugin and its libraries open by name while they run, each after those that it uses.
// The dynamic loader would not find them all by the paths that they hold: cuDNN looks for cuBLAS and NVRTC elsewhere.
func cudaLibraries() []string {
	return []string{
		"libcudart", "libnvrtc", "libnvJitLink", "libcublasLt", "libcublas", "libnccl", "libcupti", "libcusparse",
		"libcusolver", "libcufft", "libnvshmem_host", "libcudnn",
	}
}

// prepareCUDA opens the libraries that lie in ../nvidia beside a plugin, so that whoever asks for one by name gets it,
// and tells XLA where ptxas and libdevice are, unless the user did. Without that directory it leaves all to the system.
func prepareCUDA(plugin string) error {
	nvidia := filepath.Join(filepath.Dir(filepath.Dir(plugin)), "nvidia")
	for _, name := range cudaLibraries() {
		files, _ := filepath.Glob(filepath.Join(nvidia, "*", "lib", name+".so.*")) // the pattern is well formed
		for _, file := range files {
			name := C.CString(file)
			C.dlopen(name, C.RTLD_LAZY|C.RTLD_LOCAL) // one that fails is missed by name, if at all, when it is needed
			C.free(unsafe.Pointer(name))
		}
	}
	const env, flag = "XLA_FLAGS", "--xla_gpu_cuda_data_dir"
	tools, _ := filepath.Glob(filepath.Join(nvidia, "*", "bin", "ptxas"))
	if flags := os.Getenv(env); len(tools) > 0 && !strings.Contains(flags, flag) {
		return os.Setenv(env, strings.TrimSpace(flags+" "+flag+"="+filepath.Dir(filepath.Dir(tools[0]))))
	}
	return nil
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
