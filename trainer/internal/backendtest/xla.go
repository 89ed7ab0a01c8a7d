//go:build cgo && !race && (linux || darwin)

package backendtest

import (
	"os"
	"path/filepath"
	"testing"

	_ "github.com/gomlx/go-xla/compute/xla" // the "xla" backend

	_ "github.com/murmurnet/murmur/xla/heap" // as in the program
)

// xlaConfig names the plugin file: MURMUR_XLA_PLUGIN, or where murmur's installer puts it.
func xlaConfig(t testing.TB) string {
	t.Helper()
	path := os.Getenv("MURMUR_XLA_PLUGIN")
	if path == "" {
		data := os.Getenv("XDG_DATA_HOME")
		if home, err := os.UserHomeDir(); data == "" && err == nil {
			data = filepath.Join(home, ".local", "share")
		}
		path = filepath.Join(data, "murmur", "xla", "cpu-0.11.2", "pjrt_c_api_cpu_plugin.so")
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("MURMUR_REQUIRE_XLA") == "1" {
			t.Fatalf("no XLA CPU plugin: %v", err)
		}
		t.Skipf("no XLA CPU plugin: %v", err)
	}
	return "xla:" + path
}
