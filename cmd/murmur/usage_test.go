package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusals checks that bad input gets one line that says what to do, and
// the right exit code.
func TestRefusals(t *testing.T) {
	home := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown flag", []string{"up", "--prot", "1"}, 2, "--prot"},
		{"status without a swarm", []string{"status"}, 1, "run murmur init or murmur join LINK first"},
		{"status without a daemon", []string{"status", "--dir", home}, 1, "murmur up"},
		{"up in an empty directory", []string{"up", "--dir", filepath.Join(home, "nothing")}, 1, "begins with murmur init or murmur join"},
		{"no link", []string{"join", "http://example.org"}, 2, "murmur://"},
		{"a cut link", []string{"join", "murmur://bafkr4i"}, 2, "murmur://"},
		{"unknown key", []string{"init", write("a.toml", "[rounds]\nhmin = 1\n"), "--dir", filepath.Join(home, "x")}, 2, `did you mean "rounds.h_min"?`},
		{"out of range", []string{"init", write("b.toml", "[inner]\nlr = 7.0\n"), "--dir", filepath.Join(home, "x")}, 2, "inner.lr = 7 is out of range"},
		{"missing file", []string{"init", filepath.Join(home, "none.toml")}, 2, "none.toml"},
		{"unknown settings key", []string{"up", "--config", write("c.toml", "prot = 1\n"), "--dir", home}, 2, `murmur: ` + write("c.toml", "prot = 1\n") + `: unknown key "prot"; did you mean "port"?`},
		{"unknown backend", []string{"up", "--dir", home, "--backend", "tpu"}, 2, "tpu"},
		{"unwritable directory", []string{"init", "--dir", "/proc/none/x"}, 1, "/proc/none/x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, stderr, code := output(t, home, tc.args...)
			if code != tc.code || !strings.Contains(stderr, tc.want) {
				t.Fatalf("exit %d, want %d; stderr: %s; want it to say %q", code, tc.code, stderr, tc.want)
			}
			if n := strings.Count(strings.TrimSpace(stderr), "\n"); n > 0 {
				t.Fatalf("%d lines on stderr, want one:\n%s", n+1, stderr)
			}
		})
	}
}

func TestInitStatusVersion(t *testing.T) {
	home := t.TempDir()
	out, stderr, code := output(t, home, "init", "--name", "lantern", "--seed", "s")
	if code != 0 || !strings.Contains(out, "murmur://") {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	if !strings.Contains(out, "with: murmur up\n") {
		t.Errorf("the only swarm: %s", out)
	}
	out, stderr, _ = output(t, home, "init", "--name", "second")
	if !strings.Contains(out, "with: murmur up --dir '") {
		t.Errorf("the second swarm: %s%s", out, stderr)
	}
	link := out[strings.Index(out, "murmur://"):]
	link = "'" + link[:strings.IndexAny(link, " \n")] + "'"
	joined := filepath.Join(home, "joined")
	if out, stderr, code = output(t, home, "join", link, "--dir", joined); code != 0 || !strings.Contains(out, "with: murmur up --dir '"+joined+"'") {
		t.Errorf("a link between quotes: %d, %s%s", code, out, stderr)
	}
	if _, stderr, _ = output(t, home, "status"); !strings.Contains(stderr, "(lantern)") || !strings.Contains(stderr, "(second)") {
		t.Errorf("several swarms are not told by their names: %s", stderr)
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		if out, _, code = output(t, home, args...); code != 0 || !strings.HasPrefix(out, "murmur "+version) {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
	for _, args := range [][]string{nil, {"help"}, {"help", "up"}} {
		if out, _, code = output(t, home, args...); code != 0 || !strings.HasPrefix(out, "Usage: murmur ") {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
}

// TestHomeless: where HOME is not set, a command says what it has to and nothing else, and what needs a home says so in a line.
func TestHomeless(t *testing.T) {
	for _, c := range []struct {
		args         []string
		stdout, fail string
	}{{[]string{"version"}, "murmur ", ""}, {[]string{"init"}, "", "murmur: this account has no home directory"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], c.args...)
		cmd.Env = []string{asMurmur + "=1"}
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		if !strings.HasPrefix(out.String(), c.stdout) || !strings.HasPrefix(errs.String(), c.fail) || strings.Count(errs.String(), "\n") > 1 || (err == nil) != (c.fail == "") {
			t.Errorf("%v: %v, %q, %q", c.args, err, out.String(), errs.String())
		}
		if c.fail == "" && errs.Len() > 0 {
			t.Errorf("%v says %q besides", c.args, errs.String())
		}
	}
}
