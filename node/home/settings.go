package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// SettingsFile holds what a person wants of this machine.
const SettingsFile = "policy.json"

// Settings are what a person wants of this machine, across restarts.
func (d Dir) Settings() (s policy.Settings, err error) {
	b, err := os.ReadFile(d.Path(SettingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		s, err = policy.DecodeSettings(b)
	}
	if err != nil {
		return s, fmt.Errorf("%s cannot be used; remove it, and set pauses and hours again: %w", d.Path(SettingsFile), err)
	}
	return s, nil
}

// SetSettings keeps them.
func (d Dir) SetSettings(s policy.Settings) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.Path(SettingsFile), append(b, '\n'), 0o600)
}
