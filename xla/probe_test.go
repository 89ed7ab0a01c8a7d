//go:build cgo && linux

package xla

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// compile makes a plugin file out of C, or skips.
func compile(t *testing.T, source string) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no gcc to build a hostile plugin with")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "plugin.c"), filepath.Join(dir, "pjrt_c_api_cpu_plugin.so")
	if err := os.WriteFile(in, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	build := func(args ...string) {
		if text, err := exec.Command(gcc, append([]string{"-shared", "-fPIC"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, text)
		}
	}
	if !strings.Contains(source, "-lgone") {
		build("-o", out, in)
		return out
	}
	gone := filepath.Join(dir, "libgone.so") // linked against, then removed
	build("-o", gone, "-x", "c", os.DevNull)
	build("-o", out, in, "-Wl,--no-as-needed", "-L"+dir, "-lgone")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	return out
}

const includes = "#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"

// Each of these would end or stop the process that loads it. Opening gives a sentence and the next backend.
func TestHostilePlugins(t *testing.T) {
	const constructor = "__attribute__((constructor)) static void start(void) "
	const api = "\nvoid *GetPjrtApi(void) { return 0; }\n"
	for _, tc := range []struct{ name, source, want string }{
		{"writes to address zero when loaded", constructor + "{ *(volatile int *)0 = 1; }" + api, "ended the process that tried it (SIGSEGV"},
		{"aborts when loaded", constructor + "{ abort(); }" + api, "ended the process that tried it (SIGABRT"},
		{"illegal instruction", constructor + "{ __builtin_trap(); }" + api, "ended the process that tried it (SIGILL"},
		{"exits with success when loaded", constructor + "{ _exit(0); }" + api, "ended the process that tried it (exit status 0)"},
		{"kills its process", constructor + "{ kill(getpid(), SIGKILL); }" + api, "ended the process that tried it (signal: killed)"},
		{"hangs when loaded", constructor + "{ for (;;) pause(); }" + api, "did not answer within 2s"},
		{"leaves a child behind that holds the pipes", constructor + "{ if (fork() == 0) { sleep(20); _exit(0); } _exit(7); }" + api, "ended the process that tried it (exit status 7)"},
		{"floods both outputs", constructor + "{ char b[4096]; memset(b, 'x', sizeof b); for (int i = 0; i < 5000; i++) { write(1, b, sizeof b); write(2, b, sizeof b); } _exit(1); }" + api, "exit status 1"},
		{"has no interface", "void *GetPjrtApi(void) { return 0; }\n", "nil pointer"},
		{"has an interface of rubbish", "static long t[512];\nvoid *GetPjrtApi(void) { memset(t, 0x7f, sizeof t); return t; }\n", "ended the process that tried it (SIG"},
		{"needs a library that is not there", "extern void missing_function(void);\nvoid *p = missing_function;" + api, "the dynamic loader refuses it: undefined symbol: missing_function"},
		{"needs another library that is not there", "void *GetPjrtApi(void) { return 0; }\n//-lgone\n", "the dynamic loader refuses it: libgone.so: cannot open shared object file"},
		{"is another library", "int answer(void) { return 42; }\n", "exports no GetPjrtApi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := compile(t, includes+tc.source)
			t.Setenv(searchPathEnv, filepath.Dir(file))
			p := Params{Dir: t.TempDir(), Probe: testProbe(t)}
			c := newChooser(p)
			pr := newProber(p)
			if strings.HasPrefix(tc.name, "hangs") {
				pr.limit = 2 * time.Second
			}
			c.check = pr.check
			backend, choice, err := c.choose(t.Context(), p, true)
			if err != nil {
				t.Fatal(err)
			}
			backend.Finalize()
			if choice.Config != GoConfig {
				t.Fatalf("chose %q", choice.Config)
			}
			last := choice.Refusals[len(choice.Refusals)-1]
			if last.Config != "xla:cpu" || !strings.Contains(last.Reason, tc.want) || !strings.HasPrefix(last.Reason, file+": ") || strings.Contains(last.Reason, "\n") {
				t.Errorf("refusal %+v, want one line with %q", last, tc.want)
			}
			if _, ok := lookup(pr.cache, file); ok {
				t.Error("a refused plugin is remembered as good")
			}
		})
	}
}

func TestProbeTakesOnlyPaths(t *testing.T) {
	for _, config := range []string{"xla:cpu", "go", "nonsense"} {
		if err := RunProbe(t.Context(), config, os.Stderr); err == nil {
			t.Errorf("probed %q", config)
		}
	}
}

func TestProbeThatCannotStart(t *testing.T) {
	p := prober{argv: []string{filepath.Join(t.TempDir(), "gone")}, limit: time.Minute}
	if _, err := p.run(t.Context(), "xla:/x.so"); err == nil || !strings.Contains(err.Error(), "could not be tried") {
		t.Errorf("err %v", err)
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	file := compile(t, includes+"__attribute__((constructor)) static void start(void) { for (;;) pause(); }\nvoid *GetPjrtApi(void) { return 0; }\n")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p := Params{Want: "xla:" + file, Dir: t.TempDir(), Probe: testProbe(t)}
	began := time.Now()
	if _, err := Choose(ctx, p); err == nil || ctx.Err() == nil {
		t.Errorf("err %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// realPlugin opens the plugin that is installed for this user; see MURMUR_REQUIRE_XLA.
func realPlugin(t *testing.T) string {
	t.Helper()
	path, ok := Installed("", "cpu")
	if !ok {
		if os.Getenv("MURMUR_REQUIRE_XLA") == "1" {
			t.Fatalf("no XLA CPU plugin at %s: run `murmur xla install cpu`", path)
		}
		t.Skip("the XLA CPU plugin is not installed")
	}
	return path
}

func TestOpenRealPlugin(t *testing.T) {
	path := realPlugin(t)
	t.Setenv(searchPathEnv, filepath.Dir(path))
	dir := t.TempDir()
	p := Params{Want: "xla:cpu", Dir: dir, Probe: testProbe(t)}
	choice, err := Choose(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if choice.Plugin != path || choice.Config != "xla:cpu" || choice.Devices != 1 {
		t.Errorf("choice %+v", choice)
	}
	if dev, ok := lookup(cacheFile(dir), path); !ok || dev.Device != choice.Device {
		t.Errorf("the success was not remembered: %+v, %v", dev, ok)
	}
	p.Probe = []string{filepath.Join(dir, "a probe that would fail")} // must not be needed again
	backend, choice, err := Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	if choice.Plugin != path {
		t.Errorf("opened %q", choice.Plugin)
	}
	if err := multiply(backend); err != nil {
		t.Error(err)
	}
	all, err := Survey(t.Context(), Params{Dir: dir, Probe: testProbe(t)})
	if err != nil || len(all) != 4 || !all[2].Usable || all[2].Plugin != path || !all[3].Usable {
		t.Errorf("survey %+v, err %v", all, err)
	}
}

// The real plugin, damaged: cut short, or for another processor.
func TestOpenDamagedPlugin(t *testing.T) {
	whole := realPlugin(t)
	info, err := os.Stat(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, want string
		damage     func(*os.File) error
	}{
		{"cut in half", "truncated", func(f *os.File) error { return f.Truncate(info.Size() / 2) }},
		{"one byte short", "truncated", func(f *os.File) error { return f.Truncate(info.Size() - 1) }},
		{"for arm64", "another processor", func(f *os.File) error { _, err := f.WriteAt([]byte{183, 0}, 18); return err }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, filepath.Base(whole))
			copyFile(t, whole, file)
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := tc.damage(f); err != nil {
				t.Fatal(err)
			}
			t.Setenv(searchPathEnv, dir)
			choice, err := Choose(t.Context(), Params{Dir: dir, Probe: testProbe(t)})
			if err != nil || choice.Config != GoConfig {
				t.Fatalf("choice %+v, err %v", choice, err)
			}
			if last := choice.Refusals[len(choice.Refusals)-1]; !strings.Contains(last.Reason, tc.want) {
				t.Errorf("reason %q, want %q", last.Reason, tc.want)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.ReadFrom(in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
