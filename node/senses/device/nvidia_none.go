//go:build !linux || !cgo

package device

import "errors"

// Cards are NVIDIA's graphics cards; this build does not read them.
type Cards struct{}

// Open says that this build does not read graphics cards.
func Open() (*Cards, error) {
	return nil, errors.New("this build of murmur does not read NVIDIA's cards")
}

// Close does nothing.
func (c *Cards) Close() error { return nil }

// Read is never called.
func (c *Cards) Read(int, []int) (Reading, error) { return Reading{}, nil }
