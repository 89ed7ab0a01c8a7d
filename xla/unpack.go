package xla

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// unpack takes what is wanted out of a verified wheel, which is a zip file, into dir, and at last writes the list of
// it. Only names that match a pinned pattern are looked at, and none that leaves dir.
func (w wheel) unpack(ctx context.Context, archive, dir string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("not a wheel: %w", err)
	}
	defer z.Close()
	var files []installed
	room := w.unpacked
	for _, t := range w.take {
		before := len(files)
		for _, f := range z.File {
			if ok, err := path.Match(t.from, f.Name); !ok || err != nil || !f.Mode().IsRegular() {
				continue
			}
			if ctx.Err() != nil { // between files: the largest takes seconds
				return context.Cause(ctx)
			}
			e, err := extract(f, t, dir, room, w.unpacked)
			if err != nil {
				return err
			}
			files, room = append(files, e), room-e.Size
		}
		if len(files) == before {
			return fmt.Errorf("%s is not in it", t.from)
		}
	}
	text, err := json.MarshalIndent(files, "", " ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, w.list()), func(out io.Writer) error { _, err := out.Write(text); return err })
}

// extract writes one file of the zip, at most room bytes of the limit of the whole wheel.
func extract(f *zip.File, t take, dir string, room, limit int64) (installed, error) {
	e := installed{Name: t.to}
	if t.to == "" {
		e.Name = f.Name
	}
	if !fs.ValidPath(e.Name) || strings.Contains(e.Name, `\`) {
		return e, fmt.Errorf("%q is no name for a file", f.Name)
	}
	if f.UncompressedSize64 > uint64(room) {
		return e, fmt.Errorf("%s has %d bytes, more than the %d expected of all", f.Name, f.UncompressedSize64, limit)
	}
	r, err := f.Open()
	if err != nil {
		return e, fmt.Errorf("%s: %w", f.Name, err)
	}
	defer r.Close()
	target := filepath.Join(dir, filepath.FromSlash(e.Name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return e, err
	}
	err = writeFile(target, func(w io.Writer) error {
		h := sha256.New()
		if e.Size, err = io.Copy(io.MultiWriter(w, h), io.LimitReader(r, room+1)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if e.Size > room {
			return fmt.Errorf("%s has more than the %d bytes expected of all", f.Name, limit)
		}
		e.SHA256 = hex.EncodeToString(h.Sum(nil))
		return nil
	})
	if err == nil && path.Base(path.Dir(e.Name)) == "bin" { // a program that the plugin starts
		err = os.Chmod(target, 0o700)
	}
	return e, err
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
