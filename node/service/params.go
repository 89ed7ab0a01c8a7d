package service

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Params say what is to be started, and on which machine.
type Params struct {
	Program string   // absolute
	Args    []string // such as up
	User    bool     // for this user alone; else for the machine, where it has such a thing
	Dir     string   // of the swarm; empty: the only one
	Data    string   // murmur's data directory, where it is not the usual one
	OS      string   // as in runtime.GOOS
	Home    string   // of this user
	Config  string   // the user's configuration directory
	Account bool     // the account murmur is there
	Groups  []string // of the machine that graphics cards belong to
}

// Validate says what is wrong with p.
func (p Params) Validate() error {
	switch {
	case !filepath.IsAbs(p.Program) && p.OS != "windows":
		return fmt.Errorf("the program %q has no absolute path", p.Program)
	case len(p.Args) == 0:
		return errors.New("nothing to start")
	case p.Home == "" && (p.User || p.OS == "darwin"):
		return errors.New("this account has no home directory")
	}
	for _, s := range append([]string{p.Program, p.Dir, p.Data}, p.Args...) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%q has a control character, which no unit can hold", s)
		}
	}
	return nil
}

// CardGroups are those of the machine's groups that graphics cards belong to.
func CardGroups(known func(name string) bool) []string {
	return slices.DeleteFunc([]string{"render", "video"}, func(g string) bool { return !known(g) })
}
