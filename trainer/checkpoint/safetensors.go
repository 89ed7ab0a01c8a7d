package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/murmurnet/murmur/trainer/lfs"
)

const (
	// maxHeader bounds a safetensors file's JSON header; the format's own readers allow 100 MB.
	maxHeader = 100 << 20
	// metadataKey is the header's entry that is no tensor.
	metadataKey = "__metadata__"
	// pieceValues are converted at a time.
	pieceValues = 1 << 16
)

// place is where a file has a tensor.
type place struct {
	path  string
	dtype DType
	shape []int
	at    int64 // of its first byte in the file
	bytes int64
}

// entry is a tensor in a header. Offsets count from the header's end.
type entry struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// readHeader lists the tensors of a safetensors file, whose bytes must all be there.
func readHeader(path string) (map[string]place, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	places, err := parseHeader(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for name, p := range places {
		p.path = path
		places[name] = p
	}
	return places, nil
}

func parseHeader(f io.ReaderAt, size int64) (map[string]place, error) {
	var length [8]byte
	if _, err := f.ReadAt(length[:], 0); err != nil {
		return nil, errors.New("this is no safetensors file: it has no header")
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader {
		if err := lfs.Check(f); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("this is no safetensors file: a header of %d bytes, want at most %d", n, maxHeader)
	}
	body := 8 + int64(n)
	if body > size {
		return nil, fmt.Errorf("the file ends in its header, after %d bytes of %d: fetch it again", size, body)
	}
	raw := make([]byte, n)
	if _, err := f.ReadAt(raw, 8); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var table map[string]json.RawMessage
	if err := json.Unmarshal(raw, &table); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	delete(table, metadataKey)
	places := make(map[string]place, len(table))
	for name, raw := range table {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		p := place{dtype: e.DType, shape: e.Shape, at: body + e.Offsets[0], bytes: e.Offsets[1] - e.Offsets[0]}
		if e.Offsets[0] < 0 || p.bytes < 0 || e.Offsets[1] > size-body {
			return nil, fmt.Errorf("tensor %s ends at byte %d of a file of %d: it was cut off, fetch it again", name, body+e.Offsets[1], size)
		}
		places[name] = p
	}
	return places, nil
}

// read decodes a tensor of len(dst) values.
func (p place) read(dst []float32) error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	raw := make([]byte, min(len(dst), pieceValues)*p.dtype.size())
	for at := p.at; len(dst) > 0; {
		n := min(len(dst), pieceValues)
		piece := raw[:n*p.dtype.size()]
		if _, err := f.ReadAt(piece, at); err != nil {
			return fmt.Errorf("reading %s: %w", p.path, err)
		}
		p.dtype.decode(dst[:n], piece)
		dst, at = dst[n:], at+int64(len(piece))
	}
	return nil
}
