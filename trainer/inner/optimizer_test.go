package inner

import (
	"testing"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

func TestNewRefusesTheOthersKind(t *testing.T) {
	p := of(optimizer.None)
	p.Backend = backendtest.Open(t, backendtest.Go)
	if _, err := New(p); err == nil {
		t.Error("a trainer without an optimizer")
	}
	p.Optimizer.Kind = optimizer.Muon
	if _, err := NewGradient(p); err == nil {
		t.Error("a gradient with an optimizer")
	}
}
