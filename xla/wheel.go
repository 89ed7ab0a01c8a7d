package xla

import (
	"fmt"
	"path"
	"runtime"
)

// DefaultIndex is the Python package index that plugins come from, by the Simple JSON API (PEP 691).
const DefaultIndex = "https://pypi.org/simple/"

// wheel is one pinned file of the index and what is taken from it.
type wheel struct {
	kind     string // "cpu"
	project  string // name in the index
	version  string
	file     string   // name of the wheel
	size     int64    // bytes
	sha256   string   // of the wheel, hexadecimal
	plugin   string   // name inside the wheel
	unpacked int64    // bytes of the plugin
	sum      string   // SHA-256 of the plugin, hexadecimal
	licences []string // names inside the wheel
}

// dir is the directory, below that of all plugins, which the wheel's files are kept in.
func (w wheel) dir() string { return w.kind + "-" + w.version }

// pinned is the wheel of one kind for this platform.
func pinned(kind string) (wheel, bool) {
	w, ok := wheels()[kind+"/"+runtime.GOOS+"/"+runtime.GOARCH]
	return w, ok && whyNoXLA() == ""
}

// wheels are all pinned wheels, by kind and platform.
func wheels() map[string]wheel {
	return map[string]wheel{
		// XLA as jaxlib builds it, with the C entry point that jaxlib's own library lacks; PJRT 0.115, Apache-2.0.
		"cpu/linux/amd64": {
			kind:     "cpu",
			project:  "lammps-jax-pjrt-cpu",
			version:  "0.11.2",
			file:     "lammps_jax_pjrt_cpu-0.11.2-py3-none-manylinux_2_27_x86_64.whl",
			size:     62711338,
			sha256:   "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1",
			plugin:   "lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so",
			unpacked: 201600336,
			sum:      "ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2",
			licences: []string{
				"lammps_jax_pjrt_cpu-0.11.2.dist-info/licenses/LICENSE",
				"lammps_jax_pjrt_cpu-0.11.2.dist-info/licenses/THIRD_PARTY_NOTICES",
			},
		},
	}
}

// pluginName is the plugin's file name on disk.
func (w wheel) pluginName() string { return path.Base(w.plugin) }

// bytesText is a size as people read it.
func bytesText(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	}
	return fmt.Sprintf("%d MB", (n+500_000)/1_000_000)
}
