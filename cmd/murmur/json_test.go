package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestJSON has what commands print of a machine's settings read by a program.
func TestJSON(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	dir := filepath.Join(home, "swarm")
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	done(t, home, "init", write("tiny.toml", tiny), "--dir", dir)
	for name, want := range map[string]struct {
		args []string
		keys string
		part string
	}{
		"version": {[]string{"version"}, "arch go os version", `"arch"`},
		"id":      {[]string{"id", "--dir", dir}, "id", `"12D3Koo`},
		"hours":   {[]string{"hours", "--idle", "5m", "--dir", dir}, "battery compute idle network others", `"idle": "5m0s"`},
		"limit":   {[]string{"limit", "--up", "10", "--memory", "8", "--dir", dir}, "celsius down_mbit memory_bytes month_gb up_mbit vram_bytes watts", `"memory_bytes": 8000000000`},
		"energy":  {[]string{"energy", "--file", write("watts", "310"), "--above", "300", "--dir", dir}, "above file read value", `"value": 310`},
	} {
		out := done(t, home, append(want.args, "--json")...)
		var got map[string]any
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Errorf("%s printed %s: %v", name, out, err)
		}
		delete(got, "commit") // where the test was built in a repository
		if keys := strings.Join(slices.Sorted(maps.Keys(got)), " "); keys != want.keys || !strings.Contains(out, want.part) {
			t.Errorf("%s printed %s", name, out)
		}
	}
}
