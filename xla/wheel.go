package xla

import (
	"fmt"
	"runtime"
	"strings"
)

// DefaultIndex is the Python package index that plugins come from, by the Simple JSON API (PEP 691).
const DefaultIndex = "https://pypi.org/simple/"

// set is what one install brings: a plugin, and the libraries that it needs and no driver has.
type set struct {
	name    string // as users write it: "cpu", "cuda13", "cuda12", "rocm"
	kind    string // of the plugin: "cpu", "cuda", "rocm"
	version string
	plugin  string // where it lies in the set's directory
	size    int64  // bytes of the plugin
	sum     string // its SHA-256, hexadecimal
	wheels  []wheel
}

// wheel is one pinned file of the index and what is taken from it.
type wheel struct {
	project  string // name in the index
	version  string
	file     string // name of the wheel
	size     int64  // bytes
	sha256   string // hexadecimal
	unpacked int64  // bytes of all that is taken
	take     []take
}

// take names files inside a wheel by a pattern of [path.Match], and where they go in the set's directory; "" means
// under their own names.
type take struct{ from, to string }

// dir is the directory, below that of all plugins, which the set's files are kept in.
func (s set) dir() string { return s.name + "-" + s.version }

// download is the bytes of all wheels.
func (s set) download() (n int64) {
	for _, w := range s.wheels {
		n += w.size
	}
	return n
}

// unpacked is the bytes of all files.
func (s set) unpacked() (n int64) {
	for _, w := range s.wheels {
		n += w.unpacked
	}
	return n
}

// list is the name of the file that says what was taken from w; it is written when all of that is there.
func (w wheel) list() string { return w.project + listSuffix }

// names are all sets, in the order in which they are explained.
func names() []string { return []string{"cpu", "cuda13", "cuda12", "rocm"} }

// pinned is the set of one name for this platform.
func pinned(name string) (set, bool) {
	s, ok := sets()[name+"/"+runtime.GOOS+"/"+runtime.GOARCH]
	return s, ok && whyNoXLA() == ""
}

// title is a set's name for people.
func title(name string) string { return "XLA " + strings.ToUpper(name) + " plugin" }

// bytesText is a size as people read it.
func bytesText(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	case n < 1_000_000_000:
		return fmt.Sprintf("%d MB", (n+500_000)/1_000_000)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
