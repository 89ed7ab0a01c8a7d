package xla

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/murmurnet/murmur/proto/atomicfile"
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
	return atomicfile.Write(filepath.Join(dir, w.list()), text, 0o600)
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
	err = atomicfile.Fill(target, 0o600, func(w io.Writer) error {
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
