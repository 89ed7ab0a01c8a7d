package worker

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/murmurnet/murmur/proto/mapped"
)

// regions of the exchange file, behind its head: θ or a delta, m, v. Between two saves θ is kept in those of the moments.
const regions = 3

// headSize is the bytes before the first region, a page, so that vectors begin at one.
const headSize = 4 << 10

// exchange is the memory-mapped file that vectors cross through.
type exchange struct {
	file *mapped.File
	head *head
	all  []float32 // regions·P
}

// createExchange makes the file at path for params parameters. A file left there by a daemon that died is replaced.
func createExchange(path string, params int) (*exchange, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the trainer's old exchange file: %w", err)
	}
	return asExchange(mapped.Create(path, exchangeSize(params)))
}

// openExchange maps the file at path, which must be exactly right for params parameters.
func openExchange(path string, params int) (*exchange, error) {
	return asExchange(mapped.Open(path, exchangeSize(params)))
}

func asExchange(f *mapped.File, err error) (*exchange, error) {
	if err != nil {
		return nil, fmt.Errorf("the trainer's exchange file: %w", err)
	}
	return &exchange{f, (*head)(unsafe.Pointer(unsafe.SliceData(f.Bytes))), f.Floats()[headSize/4:]}, nil
}

func exchangeSize(params int) int64 { return headSize + regions*4*int64(params) }

// vector is region i.
func (e *exchange) vector(i int) []float32 {
	n := len(e.all) / regions
	return e.all[i*n : (i+1)*n : (i+1)*n]
}

// close unmaps the file; its vectors are gone.
func (e *exchange) close() error {
	e.all, e.head = nil, nil
	return e.file.Close()
}
