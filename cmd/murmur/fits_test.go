package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/fits"
)

// TestFits asks what a file, a folder in Hugging Face's layout and a swarm's directory take, on this machine and on smaller ones.
func TestFits(t *testing.T) {
	home := t.TempDir()
	file, dir := filepath.Join(home, "swarm.toml"), filepath.Join(home, "A")
	if err := os.WriteFile(file, []byte("[model]\ndim = 64\nheads = 2\nkv_heads = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	done(t, home, "init", "--dir", dir)
	for _, c := range []struct {
		args   []string
		code   int
		params uint64
		says   string
	}{
		{[]string{file}, 0, 369_216, ""},
		{[]string{"../../trainer/checkpoint/testdata"}, 0, 119_104, ""},
		{[]string{"../../trainer/checkpoint/testdata", "--lora", "4"}, 0, 2 * 4 * (64 + 32 + 32 + 64 + 160 + 160 + 64), ""},
		{[]string{dir}, 0, 869_504, ""},
		{[]string{dir, "--device", "cpu", "--memory", "0.01"}, exitFailed, 869_504, "a training step takes"},
		{[]string{dir, "--disk", "0.001"}, exitFailed, 869_504, "of disk"},
		{[]string{dir, "--peers", "0"}, exitUsage, 0, ""},
	} {
		stdout, stderr, code := output(t, home, append([]string{"fits", "--json"}, c.args...)...)
		var r fits.Report
		if code != exitUsage {
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatalf("%v: %v: %s", c.args, err, stdout)
			}
		}
		if code != c.code || r.Params != c.params || !strings.Contains(r.Why, c.says) || code == exitUsage && strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v ended with %d: %+v: %s", c.args, code, r, stderr)
		}
	}
}
