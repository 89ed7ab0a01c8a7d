package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

const (
	// DiskVersion numbers how a swarm's directory is laid out. It grows when an older
	// murmur could misread what a newer one writes.
	DiskVersion = 1
	versionFile = "version"
)

// CheckVersion is an error where another murmur wrote the directory, in a way that this
// one cannot read. A directory without a number is of the first.
func (d Dir) CheckVersion() error {
	b, err := os.ReadFile(d.path(versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading which murmur wrote %s: %w", d, err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	switch {
	case err != nil || v < 1:
		return fmt.Errorf("%s holds no number; if murmur %d or newer never ran here, remove it", d.path(versionFile), DiskVersion+1)
	case v > DiskVersion:
		return fmt.Errorf("%s was written by a newer murmur (disk version %d, this one reads %d): install the newer one again", d, v, DiskVersion)
	}
	return nil
}

// keepVersion notes in which layout this murmur writes.
func (d Dir) keepVersion() error {
	if err := d.CheckVersion(); err != nil {
		return err
	}
	want := strconv.Itoa(DiskVersion) + "\n"
	if b, err := os.ReadFile(d.path(versionFile)); err == nil && string(b) == want {
		return nil
	}
	return writeOnce(d.path(versionFile), []byte(want))
}
