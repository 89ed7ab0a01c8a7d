package senses

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/policy"
)

// TestSignal has a file's number read, another file's at once when the settings change, and
// nothing once they want none.
func TestSignal(t *testing.T) {
	dir, zero := t.TempDir(), 0.0
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s := New()
	from := func(name, text string) policy.Energy {
		p := filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return policy.Energy{File: p, Above: &zero}
	}
	until := func(e policy.Energy, holds func(policy.Readings) bool) {
		t.Helper()
		for {
			r, ds := s.Read(ctx, Ask{Settings: policy.Settings{Energy: e}, Backend: "go:parallelism=-1", Pids: []int{os.Getpid()}})
			if len(ds) != 1 || r.Memory == 0 {
				t.Fatalf("devices %+v, memory %d", ds, r.Memory)
			}
			if holds(r) {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("%+v", r)
			}
		}
	}
	until(from("one", "1"), func(r policy.Readings) bool { return r.Signal == 1 && !r.SignalAt.IsZero() })
	until(from("two", "2"), func(r policy.Readings) bool {
		if !r.SignalAt.IsZero() && r.Signal == 1 {
			t.Error("the other signal counts still")
		}
		return r.Signal == 2
	})
	until(from("none", ""), func(r policy.Readings) bool { return r.SignalWhy != "" && r.SignalAt.IsZero() })
	until(policy.Energy{}, func(r policy.Readings) bool { return r.SignalWhy == "" && r.SignalAt.IsZero() })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
