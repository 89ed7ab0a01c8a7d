package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// regions of the exchange file: θ or a delta, m, v.
const regions = 3

// fillBlock is how much of a new exchange file is written at a time, in bytes.
const fillBlock = 1 << 20

// exchange is the memory-mapped file that vectors cross through.
type exchange struct {
	raw  mmap.MMap
	file *os.File
	all  []float32 // regions·P
}

// createExchange makes the file at path for params parameters. Every byte is written, not only the size set: on a full
// disk this is an error here, where a hole would be a fatal fault (SIGBUS) at the first touch. A file left there by a
// daemon that died is replaced.
func createExchange(path string, params int) (*exchange, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the trainer's old exchange file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the trainer's exchange file: %w", err)
	}
	if err := fill(f, exchangeSize(params)); err != nil {
		return nil, errors.Join(fmt.Errorf("making room for %d bytes in the trainer's exchange file %s: %w",
			exchangeSize(params), path, err), f.Close(), os.Remove(path))
	}
	return mapExchange(f)
}

// openExchange maps the file at path, which must be exactly right for params parameters.
func openExchange(path string, params int) (*exchange, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the exchange file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("looking at the exchange file: %w", err), f.Close())
	}
	if want := exchangeSize(params); info.Size() != want {
		return nil, errors.Join(fmt.Errorf("exchange file %s has %d bytes, a model of %d parameters needs %d",
			path, info.Size(), params, want), f.Close())
	}
	return mapExchange(f)
}

func exchangeSize(params int) int64 { return regions * 4 * int64(params) }

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

// mapExchange takes f over: it is closed on an error, and by close.
func mapExchange(f *os.File) (*exchange, error) {
	raw, err := mmap.Map(f, mmap.RDWR, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mapping the exchange file %s: %w", f.Name(), err), f.Close())
	}
	// A mapping begins at a page, so it is aligned for float32. Every platform murmur is built for is little-endian.
	all := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/4)
	return &exchange{raw: raw, file: f, all: all}, nil
}

// vector is region i.
func (e *exchange) vector(i int) []float32 {
	n := len(e.all) / regions
	return e.all[i*n : (i+1)*n : (i+1)*n]
}

// close unmaps the file; its vectors are gone.
func (e *exchange) close() error {
	e.all = nil
	return errors.Join(e.raw.Unmap(), e.file.Close())
}
