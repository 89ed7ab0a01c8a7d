// Package lfs tells a Git LFS pointer from the file whose place it holds: a clone without
// Git LFS has a few lines of text under the name of each large file. It knows no format of
// files.
package lfs

import (
	"bytes"
	"errors"
	"io"
)

// ErrPointer says that a file's content was never fetched.
var ErrPointer = errors.New("is a Git LFS pointer in the place of the file: run git lfs pull where it comes from")

// start begins every pointer, by the specification at git-lfs.github.com/spec.
var start = []byte("version https://git-lfs.github.com/spec/")

// Check returns ErrPointer if what it reads begins as a pointer does.
func Check(r io.ReaderAt) error {
	head := make([]byte, len(start))
	if n, _ := r.ReadAt(head, 0); bytes.Equal(head[:n], start) { // what cannot be read shows to whoever reads it all
		return ErrPointer
	}
	return nil
}
