// Package mapped keeps vectors in files that are mapped into memory: the kernel writes them back and drops them when it needs the room.
//
// It guarantees that all bytes of a file were written before it is mapped, so that a full disk is an error here and not a fault at the first
// touch, but on file systems that compress zeros or write each block anew. Every platform murmur is built for is little-endian. It must not know what a vector holds.
package mapped

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// fillBlock is how much of a new file is written at a time, in bytes.
const fillBlock = 1 << 20

// File is a mapped file. One goroutine at a time may close it, when nobody uses its memory any more.
type File struct {
	Bytes []byte // the mapped memory; nil after Close
	raw   mmap.MMap
	file  *os.File
	left  string // name that Close removes; "" for none
}

// Create makes a file of so many bytes, at least one, all of them zero, at a path where none is.
func Create(path string, size int64) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating a file to map: %w", err)
	}
	m, err := create(f, size)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return m, nil
}

// Scratch makes a file without a name in a directory: its room is free again once it is closed, or the process has ended. Where a file that is in
// use keeps its name, Close removes it.
func Scratch(dir string, size int64) (*File, error) {
	f, err := os.CreateTemp(dir, "scratch-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("creating a file to map: %w", err)
	}
	m, err := create(f, size)
	if gone := os.Remove(f.Name()); gone != nil && m != nil {
		m.left = f.Name()
	}
	return m, err
}

// create takes f over: it is closed on an error, and by Close.
func create(f *os.File, size int64) (*File, error) {
	if err := fill(f, size); err != nil {
		return nil, errors.Join(fmt.Errorf("making room for %d bytes in %s: %w", size, f.Name(), err), f.Close())
	}
	return open(f, mmap.RDWR)
}

func fill(w io.Writer, size int64) error {
	zeros := make([]byte, min(size, fillBlock))
	for size > 0 {
		n, err := w.Write(zeros[:min(size, fillBlock)])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

// Open maps a file that is there, which must have so many bytes, for reading and writing.
func Open(path string, size int64) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a file to map: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%s has %d bytes, and needs %d", path, info.Size(), size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return open(f, mmap.RDWR)
}

// Read maps a file for reading alone. Its memory must not be written.
func Read(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.Size() == 0 { // nothing cannot be mapped
		return &File{}, f.Close()
	}
	m, err := open(f, mmap.RDONLY)
	if err != nil {
		return nil, err
	}
	m.file = nil // the mapping stays, and as many are open as a commit has payloads
	return m, f.Close()
}

func open(f *os.File, how int) (*File, error) {
	raw, err := mmap.Map(f, how, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mapping %s: %w", f.Name(), err), f.Close())
	}
	return &File{Bytes: raw, raw: raw, file: f}, nil
}

// Floats views the memory as float32. A mapping begins at a page, so it is aligned for them.
func (m *File) Floats() []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(m.Bytes))), len(m.Bytes)/4)
}

// Close lets the memory go.
func (m *File) Close() error {
	if m == nil {
		return nil
	}
	var err error
	if m.raw != nil {
		err = m.raw.Unmap()
	}
	if m.file != nil {
		err = errors.Join(err, m.file.Close())
	}
	if m.left != "" {
		err = errors.Join(err, os.Remove(m.left))
	}
	*m = File{}
	return err
}
