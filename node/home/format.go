package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	// DiskVersion numbers how a swarm's directory is laid out. It grows when an older
	// murmur could misread what a newer one writes. 2: commits name who belongs, how
	// long each has been in, and the snapshot height below. 3: what own updates were signed for.
	DiskVersion = 3
	versionFile = "version"
)

// CheckVersion is an error where another murmur wrote the directory, in a way that this
// one cannot read. One without a number is new, or of the first if it has a chain.
func (d Dir) CheckVersion() error {
	b, err := os.ReadFile(d.Path(versionFile))
	if errors.Is(err, fs.ErrNotExist) {
		b, err = []byte("1"), nil
		if _, missing := os.Stat(d.Path("chain.db")); errors.Is(missing, fs.ErrNotExist) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("reading which murmur wrote %s: %w", d, err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	switch {
	case err != nil || v < 1:
		return fmt.Errorf("%s holds no number; if murmur %d or newer never ran here, remove it", d.Path(versionFile), DiskVersion+1)
	case v < DiskVersion:
		return fmt.Errorf("%s was written by an older murmur (disk version %d, this one reads %d), whose swarms this one cannot go on with: take its model out with the older one (murmur export) and begin a new swarm from it", d, v, DiskVersion)
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
	if b, err := os.ReadFile(d.Path(versionFile)); err == nil && string(b) == want {
		return nil
	}
	return atomicfile.Write(d.Path(versionFile), []byte(want), 0o600)
}
