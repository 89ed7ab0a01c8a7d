package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"

	"github.com/murmurnet/murmur/node/service"
)

// InstallServiceCmd has the machine's service manager run the daemon.
type InstallServiceCmd struct {
	User   bool   `help:"For this account alone, without root."`
	Seed   bool   `help:"Run murmur seed in place of murmur up."`
	Dir    string `help:"The swarm's directory, where there are several." type:"path" placeholder:"DIR"`
	Print  bool   `help:"Print what would be written, and write nothing." xor:"do"`
	Remove bool   `help:"Remove what was written." xor:"do"`
}

// Run writes the unit, or removes it, and says what to run next.
func (c *InstallServiceCmd) Run() error {
	p, err := c.params()
	if err != nil {
		return err
	}
	plan, err := service.For(p)
	switch {
	case err != nil:
		return err
	case c.Remove:
		return remove(plan)
	case plan.Path == "":
		lines("run", plan.Next)
		return nil
	case c.Print:
		_, err := os.Stdout.Write(plan.Content)
		return err
	}
	changed, err := plan.Write()
	if err != nil {
		return err
	}
	if !changed {
		fmt.Printf("%s is as it should be\n", plan.Path)
		return nil
	}
	fmt.Printf("written: %s\n", plan.Path)
	lines("now run", plan.Next)
	return nil
}

func remove(plan service.Plan) error {
	if plan.Path == "" {
		lines("run", plan.After)
		return nil
	}
	there, err := plan.Remove()
	switch {
	case err != nil:
		return err
	case !there:
		fmt.Printf("%s is not there\n", plan.Path)
		return nil
	}
	fmt.Printf("removed: %s\n", plan.Path)
	lines("now run", plan.After)
	return nil
}

func lines(what string, commands []string) {
	fmt.Printf("%s:\n", what)
	for _, l := range commands {
		fmt.Println("    " + l)
	}
}

// params are those of this machine.
func (c *InstallServiceCmd) params() (p service.Params, err error) {
	p = service.Params{Args: []string{"up"}, User: c.User, Dir: c.Dir, OS: runtime.GOOS}
	if c.Seed {
		p.Args[0] = "seed"
	}
	if p.Program, err = program(); err != nil {
		return p, err
	}
	p.Home, _ = os.UserHomeDir() // root's services have none, and need none
	p.Config, _ = os.UserConfigDir()
	if p.Data = os.Getenv("MURMUR_DATA"); p.Data != "" {
		if p.Data, err = filepath.Abs(p.Data); err != nil {
			return p, err
		}
	}
	_, err = user.Lookup("murmur")
	p.Account = err == nil
	p.Groups = service.CardGroups(func(name string) bool {
		_, err := user.LookupGroup(name)
		return err == nil
	})
	return p, nil
}
