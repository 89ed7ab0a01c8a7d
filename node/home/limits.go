package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto/atomicfile"
)

// LimitsFile holds what a person allows murmur on this machine.
const LimitsFile = "limits.json"

// Limits are what a person allows murmur on this machine, across restarts.
func (d Dir) Limits() (l api.Limits, err error) {
	b, err := os.ReadFile(d.Path(LimitsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	if err == nil {
		err = l.Validate()
	}
	if err != nil {
		return api.Limits{}, fmt.Errorf("%s cannot be used, set the limits again with murmur limit: %w", d.Path(LimitsFile), err)
	}
	return l, nil
}

// SetLimits keeps them.
func (d Dir) SetLimits(l api.Limits) error {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.Path(LimitsFile), append(b, '\n'), 0o600)
}
