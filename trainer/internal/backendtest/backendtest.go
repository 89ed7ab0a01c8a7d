// Package backendtest opens the backends that the trainer's tests run on: always the pure-Go one, and XLA's CPU plugin
// where it is linked and found. It is for tests only.
//
// The pure-Go backend's kernels compute with addresses in a way that the race detector's pointer check refuses; run
// tests with -race -gcflags=github.com/gomlx/compute/...=-d=checkptr=0.
package backendtest

import (
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the "go" backend
)

// Names of the backends, as Open takes them.
const (
	Go  = "go"
	XLA = "xla:cpu"
)

// Names lists all backends.
func Names() []string { return []string{Go, XLA} }

// Each runs a test once on every backend, as a subtest of that name.
func Each(t *testing.T, test func(t *testing.T, backend compute.Backend)) {
	t.Helper()
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) { test(t, Open(t, name)) })
	}
}

// Open opens a backend until the test ends, or skips the test with a reason.
func Open(t testing.TB, name string) compute.Backend {
	t.Helper()
	// Never the default configuration: its executor deadlocks when matrix products hold all its slots.
	config := "go:parallelism=-1"
	if name == XLA {
		config = xlaConfig(t)
	}
	backend, err := compute.NewWithConfig(config)
	if err != nil {
		t.Fatalf("opening backend %s: %v", name, err)
	}
	t.Cleanup(backend.Finalize)
	return backend
}
