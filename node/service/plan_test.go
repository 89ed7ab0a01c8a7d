package service

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ada is a fictional volunteer.
func ada(goos string) Params {
	return Params{Program: "/usr/local/bin/murmur", Args: []string{"up"}, OS: goos, Home: "/home/ada", Config: "/home/ada/.config"}
}

func TestPlans(t *testing.T) {
	for name, c := range map[string]struct {
		params func(*Params)
		os     string
		path   string
		holds  []string
		next   string
	}{
		"system": {
			os: "linux", path: "/etc/systemd/system/murmur.service", next: "sudo useradd",
			holds: []string{"ExecStart=/usr/local/bin/murmur up\n", "Environment=\"MURMUR_DATA=/var/lib/murmur\"\nUser=murmur\nStateDirectory=murmur\n", "ConditionPathExists=/var/lib/murmur/swarms\n"},
		},
		"system with cards": {
			os: "linux", path: "/etc/systemd/system/murmur.service", next: "sudo -u murmur",
			params: func(p *Params) { p.Groups, p.Account = []string{"render", "video"}, true },
			holds:  []string{"SupplementaryGroups=render video\n"},
		},
		"a seed": {
			os: "linux", path: "/etc/systemd/system/murmur.service", next: "sudo",
			params: func(p *Params) { p.Args, p.Dir = []string{"seed"}, "/var/lib/murmur/swarms/reading circle" },
			holds: []string{
				`ExecStart=/usr/local/bin/murmur seed --dir "/var/lib/murmur/swarms/reading circle"` + "\n",
				"ConditionPathExists=/var/lib/murmur/swarms/reading circle\n",
			},
		},
		"user": {
			os: "linux", path: "/home/ada/.config/systemd/user/murmur.service", next: "systemctl --user",
			params: func(p *Params) { p.User = true },
			holds:  []string{"ConditionPathExists=/home/ada/.local/share/murmur/swarms\n", "WantedBy=default.target"},
		},
		"user with a strange place": {
			os: "linux", path: "/home/ada/.config/systemd/user/murmur.service", next: "systemctl --user",
			params: func(p *Params) {
				p.User, p.Data, p.Program = true, `/home/ada/100% "mine"`, "/home/ada/$x/murmur"
			},
			holds: []string{`Environment="MURMUR_DATA=/home/ada/100%% \"mine\""`, `ExecStart="/home/ada/$$x/murmur" up`},
		},
		"macOS": {
			os: "darwin", path: "/home/ada/Library/LaunchAgents/murmur.plist", next: "launchctl bootstrap",
			params: func(p *Params) { p.Data = "/Volumes/a & b" },
			holds:  []string{"<string>/Volumes/a &amp; b</string>", "<string>/home/ada/Library/Logs/murmur.log</string>"},
		},
		"Windows": {
			os: "windows", next: `schtasks /Create /TN murmur /SC ONLOGON /RL LIMITED /TR "\"C:\Program Files\murmur.exe\" up"`,
			params: func(p *Params) { p.Program = `C:\Program Files\murmur.exe` },
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := ada(c.os)
			if c.params != nil {
				c.params(&p)
			}
			plan, err := For(p)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Path != c.path || !strings.HasPrefix(plan.Next[0], c.next) {
				t.Errorf("it goes to %q, and then %q", plan.Path, plan.Next)
			}
			for _, h := range c.holds {
				if !strings.Contains(string(plan.Content), h) {
					t.Errorf("%q is not in\n%s", h, plan.Content)
				}
			}
			if last := plan.Next[len(plan.Next)-1]; p.Dir != "" && !strings.HasSuffix(last, " status --dir '"+p.Dir+"'") {
				t.Errorf("at last %q", last)
			}
			if c.os == "darwin" {
				for d := xml.NewDecoder(bytes.NewReader(plan.Content)); ; {
					if _, err := d.Token(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestRefusedPlans(t *testing.T) {
	for name, c := range map[string]struct {
		params func(*Params)
		says   string
	}{
		"a program in a home": {func(p *Params) { p.Program = "/home/ada/go/bin/murmur" }, "sudo install -m 755 /home/ada/go/bin/murmur /usr/local/bin/murmur"},
		"go run":              {func(p *Params) { p.Program, p.User = "/home/ada/.cache/go-build7/b001/exe/murmur", true }, "go install"},
		"a swarm elsewhere":   {func(p *Params) { p.Dir = "/home/ada/swarm" }, "--user"},
		"two lines":           {func(p *Params) { p.Dir = "/var/lib/murmur/a\nExecStart=/bin/false" }, "control character"},
		"another system":      {func(p *Params) { p.OS = "plan9" }, "no service manager of plan9"},
	} {
		p := ada("linux")
		c.params(&p)
		if _, err := For(p); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteAndRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "systemd", "user")
	p := Plan{Path: filepath.Join(dir, "murmur.service"), Content: []byte("[Unit]\n"), On: filepath.Join(dir, "on"), Off: []string{"systemctl disable murmur"}}
	for _, want := range []bool{true, false} {
		if changed, err := p.Write(); err != nil || changed != want {
			t.Fatalf("writing: %v, %v", changed, err)
		}
	}
	if b, err := os.ReadFile(p.Path); err != nil || string(b) != "[Unit]\n" {
		t.Fatalf("%q, %v", b, err)
	}
	if err := os.Symlink(p.Path, p.On); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Remove(); err == nil || !strings.Contains(err.Error(), "run first: systemctl disable murmur") {
		t.Fatalf("removing what is switched on: %v", err)
	}
	if err := os.Remove(p.On); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if there, err := p.Remove(); err != nil || there != want {
			t.Fatalf("removing: %v, %v", there, err)
		}
	}
}

// analyze runs systemd-analyze on a unit.
func analyze(t *testing.T, p Params, args ...string) (string, error) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("MURMUR_REQUIRE_SYSTEMD") == "1" {
			t.Fatal("systemd-analyze is missing; install Debian's systemd")
		}
		t.Skip("systemd-analyze is missing; install Debian's systemd")
	}
	if p.Program, err = exec.LookPath("true"); err != nil { // systemd looks whether it can be run
		t.Fatal(err)
	}
	plan, err := For(p)
	if err != nil {
		t.Fatal(err)
	}
	plan.Path = filepath.Join(t.TempDir(), "murmur.service")
	if _, err := plan.Write(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, append(args, plan.Path)...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir()) // a user's manager has one
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestExposure holds the unit to an exposure below 3, of 10.
func TestExposure(t *testing.T) {
	p := ada("linux")
	p.Groups = []string{"render", "video"}
	out, err := analyze(t, p, "security", "--offline=true", "--threshold=29", "--no-pager")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log(lines[len(lines)-1])
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestVerify(t *testing.T) {
	strange := ada("linux")
	strange.User, strange.Dir, strange.Data = true, `/home/ada/a $b 100% "c"`, `/home/ada/d 'e' \f`
	machine, user := ada("linux"), ada("linux")
	user.User = true
	for name, p := range map[string]Params{"system": machine, "user": user, "user with a strange place": strange} {
		t.Run(name, func(t *testing.T) {
			args := []string{"verify", "--man=no"}
			if p.User {
				args = append([]string{"--user"}, args...)
			}
			out, err := analyze(t, p, args...)
			for line := range strings.Lines(out) {
				// systemd before 254
				if !strings.Contains(line, "Unknown key 'RestartSteps'") && !strings.Contains(line, "Unknown key 'RestartMaxDelaySec'") && strings.Contains(line, "murmur.service") {
					t.Error(line)
				}
			}
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
