package corpus

import (
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what unpacking zstd holds; it is what the zstd tool unpacks without being asked to use more.
const maxWindow = 128 << 20

// format is how a file holds documents.
type format struct {
	kind    string // ".txt", ".jsonl", which the extensions .ndjson and .json are too, or ".parquet"
	packing string // "", ".gz" or ".zst"
}

const formats = ".txt, .jsonl, .ndjson and .json (each may be packed as .gz or .zst), and .parquet"

// formatOf tells a format by a file's name; ok is false for any other.
func formatOf(name string) (f format, ok bool) {
	name = strings.ToLower(name)
	if e := path.Ext(name); e == ".gz" || e == ".zst" {
		f.packing, name = e, strings.TrimSuffix(name, e)
	}
	if f.kind = path.Ext(name); f.kind == ".ndjson" || f.kind == ".json" {
		f.kind = ".jsonl"
	}
	return f, f.kind == ".txt" || f.kind == ".jsonl" || f.kind == ".parquet" && f.packing == ""
}

// unpack returns the content of a file, and what to call when done.
func (f format) unpack(r io.Reader) (io.Reader, func(), error) {
	switch f.packing {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("is not packed as its name says: %w", err)
		}
		return z, func() { _ = z.Close() }, nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, fmt.Errorf("is not packed as its name says: %w", err)
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}
