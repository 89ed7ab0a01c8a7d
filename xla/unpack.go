package xla

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

const maxLicenceSize = 1 << 20 // bytes; the pinned plugin's notices have 252 kB

// unpack takes the plugin and its licences out of a verified wheel, which is a zip file. Files are written under names
// that murmur chose, so the names inside the zip decide nothing; the plugin comes last, so its presence means that all
// is there.
func (w wheel) unpack(archive, dir string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("not a wheel: %w", err)
	}
	defer z.Close()
	for _, name := range w.licences {
		if err := extract(&z.Reader, name, filepath.Join(dir, path.Base(name)), maxLicenceSize, ""); err != nil {
			return err
		}
	}
	return extract(&z.Reader, w.plugin, filepath.Join(dir, w.pluginName()), w.unpacked, w.sum)
}

// extract writes one file of the zip, at most limit bytes, and with the given SHA-256 if there is one.
func extract(z *zip.Reader, name, target string, limit int64, sum string) error {
	for _, f := range z.File {
		if f.Name != name || !f.Mode().IsRegular() {
			continue
		}
		if f.UncompressedSize64 > uint64(limit) {
			return fmt.Errorf("%s has %d bytes, more than the %d expected", name, f.UncompressedSize64, limit)
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer r.Close()
		return writeFile(target, func(w io.Writer) error {
			h := sha256.New()
			n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(r, limit+1))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if n > limit {
				return fmt.Errorf("%s has more than the %d bytes expected", name, limit)
			}
			if got := hex.EncodeToString(h.Sum(nil)); sum != "" && got != sum {
				return fmt.Errorf("%s is not the pinned one (SHA-256 %s, not %s)", name, short(got), short(sum))
			}
			return nil
		})
	}
	return fmt.Errorf("%s is not in it", name)
}

// writeFile makes a file whole or not at all: temporary file, fsync, rename, fsync of the directory.
func writeFile(target string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err = fill(f); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), target); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(target)); err == nil {
		_ = d.Sync() // not every file system knows this for directories
		_ = d.Close()
	}
	return nil
}
