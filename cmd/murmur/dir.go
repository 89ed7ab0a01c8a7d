package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/xla"
)

// DirFlag names the directory of one swarm on this machine.
type DirFlag struct {
	Dir string `help:"The swarm's directory (default: the only one in the user's data directory)." type:"path" placeholder:"DIR" env:"MURMUR_DIR"`
}

// existing returns the directory that the flag names, or the only one there is.
func (f DirFlag) existing() (home.Dir, error) {
	if f.Dir != "" {
		return home.Dir(f.Dir), nil
	}
	root, err := swarmsDir()
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("looking for swarms: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() })
	switch len(entries) {
	case 0:
		return "", errors.New("this machine is in no swarm yet; run murmur init or murmur join LINK first")
	case 1:
		return home.Dir(filepath.Join(root, entries[0].Name())), nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, named(home.Dir(filepath.Join(root, e.Name()))))
	}
	return "", usageError{fmt.Errorf("this machine is in several swarms; choose one with --dir: %s", strings.Join(names, ", "))}
}

// named is a swarm's directory, with the swarm's name where it is known.
func named(d home.Dir) string {
	raw, err := d.Manifest()
	if err != nil {
		return string(d)
	}
	m, _, err := manifest.Decode(raw)
	if err != nil {
		return string(d)
	}
	return fmt.Sprintf("%s (%s)", d, m.Name)
}

// readable is existing, where this account may look into the directory.
func (f DirFlag) readable() (home.Dir, error) {
	dir, err := f.existing()
	if err != nil {
		return "", err
	}
	return dir, dir.Readable()
}

// upOf is the command that starts the node of a directory: it names it where it is not the only one.
func (f DirFlag) upOf(dir home.Dir) string {
	if found, err := (DirFlag{}).existing(); f.Dir == "" && err == nil && found == dir {
		return "murmur up"
	}
	return fmt.Sprintf("murmur up --dir '%s'", dir)
}

// ask has a question put to the daemon of the directory that the flag names.
func (f DirFlag) ask(question func(*api.Client, home.Dir) error) error {
	dir, err := f.readable()
	if err != nil {
		return err
	}
	client := api.NewClient(string(dir))
	defer client.Close()
	return question(client, dir)
}

// forSwarm returns the directory that the flag names, or a swarm's own.
func (f DirFlag) forSwarm(id proto.ID) (home.Dir, error) {
	if f.Dir != "" {
		return home.Dir(f.Dir), nil
	}
	root, err := swarmsDir()
	if err != nil {
		return "", err
	}
	return home.Dir(filepath.Join(root, id.Short())), nil
}

func swarmsDir() (string, error) {
	data, err := xla.DataDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(data, "swarms"), nil
}
