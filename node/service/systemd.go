package service

import (
	"fmt"
	"path/filepath"
	"strings"
)

// systemData is where the system's unit keeps murmur's data: StateDirectory= makes it.
const systemData = "/var/lib/murmur"

func (p Params) system() (Plan, error) {
	for _, hidden := range []string{"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"} { // ProtectHome=, PrivateTmp=
		if strings.HasPrefix(p.Program, hidden) {
			return Plan{}, fmt.Errorf("the service cannot see %s; run: sudo install -m 755 %s /usr/local/bin/murmur, and then: sudo /usr/local/bin/murmur install-service", p.Program, p.Program)
		}
	}
	if p.Dir != "" && !strings.HasPrefix(p.Dir, systemData+"/") {
		return Plan{}, fmt.Errorf("the service may write below %s alone, not to %s: move the swarm's directory there, or install it with --user", systemData, p.Dir)
	}
	v := values{Params: p}
	v.Data = systemData
	v.Needs = needs(p.Dir, systemData)
	b, err := v.fill("system.service")
	as := "sudo -u murmur env MURMUR_DATA=" + systemData + " " + p.Program
	plan := Plan{
		Path: "/etc/systemd/system/murmur.service", Content: b,
		On: "/etc/systemd/system/multi-user.target.wants/murmur.service", Off: []string{"sudo systemctl disable --now murmur"},
		After: []string{"sudo systemctl stop murmur", "sudo systemctl daemon-reload"},
	}
	if !p.Account {
		plan.Next = append(plan.Next, "sudo useradd --system --user-group --create-home --home-dir "+systemData+" --shell /usr/sbin/nologin murmur")
	}
	plan.Next = append(plan.Next, as+" join 'murmur://…'"+p.flag(), "sudo systemctl daemon-reload", "sudo systemctl enable --now murmur", as+" status"+p.flag())
	return plan, err
}

// flag names the directory to a shell.
func (p Params) flag() string {
	if p.Dir == "" {
		return ""
	}
	return " --dir '" + strings.ReplaceAll(p.Dir, "'", `'\''`) + "'"
}

func (p Params) user() (Plan, error) {
	if temporary(p.Program) {
		return Plan{}, fmt.Errorf("%s is there for a moment only: install murmur first, as with go install ./cmd/murmur", p.Program)
	}
	v := values{Params: p}
	v.Needs = needs(p.Dir, p.data(".local/share/murmur"))
	b, err := v.fill("user.service")
	dir := filepath.Join(p.Config, "systemd", "user")
	return Plan{
		Path: filepath.Join(dir, "murmur.service"), Content: b,
		Next: []string{
			"systemctl --user daemon-reload", "systemctl --user enable --now murmur",
			"loginctl enable-linger        # to have it run while you are logged out, too", "murmur status" + p.flag(),
		},
		On: filepath.Join(dir, "default.target.wants", "murmur.service"), Off: []string{"systemctl --user disable --now murmur"},
		After: []string{"systemctl --user stop murmur", "systemctl --user daemon-reload"},
	}, err
}

func (p Params) data(usual string) string {
	if p.Data != "" {
		return p.Data
	}
	return filepath.Join(p.Home, usual)
}

func needs(dir, data string) string {
	if dir != "" {
		return dir
	}
	return filepath.Join(data, "swarms")
}

// temporary tells that a program will not be there tomorrow: go run puts it into a folder of go-build.
func temporary(program string) bool { return strings.Contains(filepath.ToSlash(program), "/go-build") }
