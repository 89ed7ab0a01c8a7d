package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// maxSafetensorsHeader bounds the JSON header; the format's own readers allow 100 MB.
const maxSafetensorsHeader = 100 << 20

// LoadSafetensors reads the tensors of a layout from one safetensors file of float32 tensors. Every tensor must be
// there with its shape, and no other: a weight left aside would silently be another model.
func LoadSafetensors(path string, layout Layout) ([]float32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	theta, err := readSafetensors(f, layout)
	if err != nil {
		return nil, fmt.Errorf("model: %s: %w", path, err)
	}
	return theta, nil
}

func readSafetensors(f io.ReaderAt, layout Layout) ([]float32, error) {
	var length [8]byte
	if _, err := f.ReadAt(length[:], 0); err != nil {
		return nil, fmt.Errorf("header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxSafetensorsHeader {
		return nil, fmt.Errorf("header of %d bytes, want at most %d", n, maxSafetensorsHeader)
	}
	header := make([]byte, n)
	if _, err := f.ReadAt(header, 8); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var table map[string]struct {
		DType   string   `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(header, &table); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	delete(table, "__metadata__")
	theta := make([]float32, layout.Params())
	for _, t := range layout {
		e, ok := table[t.Name]
		delete(table, t.Name)
		switch {
		case !ok:
			return nil, fmt.Errorf("no tensor %s", t.Name)
		case e.DType != "F32":
			return nil, fmt.Errorf("tensor %s is %s, want F32", t.Name, e.DType)
		case !slices.Equal(e.Shape, t.Shape):
			return nil, fmt.Errorf("tensor %s has shape %v, want %v", t.Name, e.Shape, t.Shape)
		case e.Offsets[0] < 0 || e.Offsets[1]-e.Offsets[0] != int64(4*t.Size):
			return nil, fmt.Errorf("tensor %s spans bytes %v, want %d bytes", t.Name, e.Offsets, 4*t.Size)
		}
		raw := make([]byte, 4*t.Size)
		if _, err := f.ReadAt(raw, 8+int64(n)+e.Offsets[0]); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		for i := range t.Size {
			theta[t.Offset+i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	for name := range table {
		return nil, fmt.Errorf("tensor %s is not part of this model", name)
	}
	return theta, nil
}
