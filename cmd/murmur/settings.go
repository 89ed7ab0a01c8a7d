package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
	"github.com/alecthomas/kong"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/xla"
)

// settings resolves flags from config.toml. Flags and MURMUR_* variables come
// before it. Its keys are the long flags of murmur up.
type settings struct {
	values map[string]any
	err    error // of the file: kong would put the name of whichever flag was looked up first before it
}

// settingsFlags are the flags that a file may set, by their names, which are its keys: those of murmur up, and those of
// every command but the ones that a file cannot answer.
func settingsFlags(app *kong.Application) map[string]*kong.Flag {
	flags := map[string]*kong.Flag{}
	up := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == "up" })
	for _, f := range slices.Concat(app.Flags, app.Children[up].Flags) {
		flags[f.Name] = f
	}
	delete(flags, "help")
	delete(flags, configName)
	return flags
}

// configName is the flag that names the file.
const configName = "config"

// dirEnv is the variable of the flags that name the swarm's directory.
const dirEnv = "MURMUR_DIR"

// Validate has nothing to check before the file is known.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve looks a flag up.
func (s *settings) Resolve(k *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	key := flag.Name
	switch {
	case slices.Contains(flag.Envs, dirEnv):
		key = "dir"
	case key == "dir": // murmur fork's names a directory that is to be made
		return nil, nil
	}
	known := settingsFlags(k.Model)
	if known[key] == nil {
		return nil, nil
	}
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	if s.values == nil && s.err == nil {
		s.err = s.load(configFlag(k), slices.Sorted(maps.Keys(known)))
	}
	return s.values[key], nil
}

// configFlag is the value of --config.
func configFlag(k *kong.Context) string {
	for _, f := range k.Flags() {
		if path, ok := k.FlagValue(f).(string); ok && f.Name == configName {
			return path
		}
	}
	return ""
}

// load reads the file; an unknown key is an error that names the nearest. Without a home there is none, and commands that need one say so.
func (s *settings) load(path string, known []string) error {
	named := path != ""
	if !named {
		usual, ok := usualSettings()
		if !ok {
			s.values = map[string]any{}
			return nil
		}
		path = usual
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		s.values = map[string]any{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	values := map[string]any{}
	if err := toml.Unmarshal(b, &values); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for key := range values {
		if !slices.Contains(known, key) {
			return fmt.Errorf("%s: unknown key %q; did you mean %q?", path, key, manifest.Nearest(key, known))
		}
	}
	s.values = values
	return nil
}

// usualSettings is where the file lies that nobody named; false where the account has no home.
func usualSettings() (string, bool) {
	data, err := xla.DataDir()
	return filepath.Join(data, "config.toml"), err == nil
}
