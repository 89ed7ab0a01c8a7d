//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestComplete(t *testing.T) {
	home := t.TempDir()
	for name, c := range map[string]struct {
		words []string
		want  []string
	}{
		"a command":           {[]string{"pau"}, []string{"pause"}},
		"hidden ones are not": {[]string{"train"}, nil},
		"a command of two":    {[]string{"xla", "inst"}, []string{"install"}},
		"a flag":              {[]string{"up", "--priv"}, []string{"--private-data"}},
		"a flag that has two": {[]string{"up", "--no-m"}, []string{"--no-mdns"}},
		"after a flag":        {[]string{"--log-level", "debug", "pau"}, []string{"pause"}},
		"a flag's value":      {[]string{"status", "--dir", ""}, nil},
		"values":              {[]string{"completion", ""}, []string{"bash", "zsh", "fish"}},
		"values once":         {[]string{"completion", "bash", ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := output(t, home, append([]string{"complete", "--"}, c.words...)...)
			var got []string
			for line := range strings.Lines(out) {
				word, _, _ := strings.Cut(line, "\t")
				got = append(got, word)
			}
			if code != 0 || !slices.Equal(got, c.want) {
				t.Errorf("exit %d, %q, want %q; %s", code, got, c.want, stderr)
			}
		})
	}
}

// TestTab types into real shells. Their murmur is a script that notes how it was called, but for completion.
func TestTab(t *testing.T) {
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for shell, c := range map[string]struct{ rc, args string }{
		"bash": {".bashrc", "-i"},
		"zsh":  {".zshrc", "-i"},
		"fish": {".config/fish/config.fish", "-i"},
	} {
		t.Run(shell, func(t *testing.T) {
			for _, tool := range []string{shell, "script"} {
				if _, err := exec.LookPath(tool); err != nil {
					if os.Getenv("MURMUR_REQUIRE_SHELLS") == "1" {
						t.Fatalf("%s is missing; install Debian's package", tool)
					}
					t.Skipf("%s is missing", tool)
				}
			}
			home := t.TempDir()
			called := filepath.Join(home, "called")
			write := func(name, text string) {
				path := filepath.Join(home, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			write("bin/murmur", "#!/bin/sh\ncase $1 in comple*) "+asMurmur+"=1 exec '"+self+"' \"$@\" ;; esac\necho \"$@\" >'"+called+"'\n")
			ready := "PS1='ready> '\nsource <(murmur completion " + shell + ")\n"
			switch shell {
			case "zsh":
				ready = "autoload -Uz compinit && compinit -u\n" + ready
			case "fish":
				// Where this folder is, fish does not start to fill it with what manual pages tell.
				if err := os.MkdirAll(filepath.Join(home, ".local/share/fish/generated_completions"), 0o700); err != nil {
					t.Fatal(err)
				}
				ready = "function fish_prompt; echo 'ready> '; end\nset -g fish_greeting\nmurmur completion fish | source\n"
			}
			write(c.rc, ready)
			cmd := exec.CommandContext(t.Context(), "script", "-qfc", shell+" "+c.args, "/dev/null")
			cmd.Env = []string{"HOME=" + home, "PATH=" + filepath.Join(home, "bin") + ":" + os.Getenv("PATH"), "TERM=xterm", "SHELL=/bin/sh", "MURMUR_DATA=" + home, "ZDOTDIR=" + home}
			keys, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var screen transcript
			cmd.Stdout, cmd.Stderr = &screen, &screen
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wait := func(what string, ok func() bool) {
				t.Helper()
				for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("waited in vain until %s: %q", what, screen.String())
					}
				}
			}
			typed := func(s string) {
				if _, err := io.WriteString(keys, s); err != nil {
					t.Fatal(err)
				}
			}
			wait("the prompt is there", func() bool { return strings.Contains(screen.String(), "ready> ") })
			typed("murmur pau\t")
			wait("the word is there", func() bool {
				return strings.Contains(screen.String(), "pause") || strings.HasSuffix(screen.String(), "use ")
			})
			typed("\r")
			wait("it was called", func() bool { _, err := os.Stat(called); return err == nil })
			typed("exit\r")
			_ = keys.Close()
			_ = cmd.Wait() // some shells end with what the last command did
			if b, err := os.ReadFile(called); err != nil || strings.TrimSpace(string(b)) != "pause" {
				t.Errorf("the shell called murmur %q, %v", b, err)
			}
		})
	}
}
