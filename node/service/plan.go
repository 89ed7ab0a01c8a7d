package service

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

// Plan is what is to be written on one machine, and what a person does next.
type Plan struct {
	Path    string // of the unit; empty where there is none to be written
	Content []byte
	Next    []string // to run after Write
	On      string   // a file that is there as long as the unit is switched on; empty: not known
	Off     []string // to run before Remove
	After   []string // to run after Remove
}

// For plans an installation.
func For(p Params) (Plan, error) {
	if err := p.Validate(); err != nil {
		return Plan{}, err
	}
	switch {
	case p.OS == "linux" && p.User:
		return p.user()
	case p.OS == "linux":
		return p.system()
	case p.OS == "darwin":
		return p.agent()
	case p.OS == "windows":
		return p.task(), nil
	}
	return Plan{}, fmt.Errorf("murmur knows no service manager of %s: have yours run %s", p.OS, strings.Join(append([]string{p.Program}, p.Args...), " "))
}

// Write writes the unit, whole or not at all, and tells whether it was another one before.
func (p Plan) Write() (changed bool, err error) {
	if old, err := os.ReadFile(p.Path); err == nil && bytes.Equal(old, p.Content) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(p.Path), 0o755); err != nil {
		return false, said(err)
	}
	if err := atomicfile.Write(p.Path, p.Content, 0o644); err != nil { // the manager reads it
		return false, said(err)
	}
	return true, nil
}

// Remove removes the unit and tells whether there was one.
func (p Plan) Remove() (there bool, err error) {
	if _, err := os.Lstat(p.On); err == nil {
		return true, fmt.Errorf("the service is still switched on; run first: %s", strings.Join(p.Off, "; "))
	}
	err = os.Remove(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, said(err)
}

// said says what to do where only root may.
func said(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run it with sudo, or with --user for this account alone", err)
	}
	return err
}
