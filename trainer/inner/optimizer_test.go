package inner

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/murmurnet/murmur/trainer/internal/backendtest"
)

func TestOptimizerValidate(t *testing.T) {
	for _, kind := range []string{KindAdamW, KindMuon, KindGradient} {
		if err := of(kind).Optimizer.Validate(); err != nil {
			t.Error(err)
		}
	}
	for name, spoil := range map[string]func(*Optimizer){
		"no kind":  func(o *Optimizer) { o.Kind = "" },
		"kind":     func(o *Optimizer) { o.Kind = "sgd" },
		"momentum": func(o *Optimizer) { o.Momentum = 1 },
		"not one":  func(o *Optimizer) { o.Momentum = math.NaN() },
		"adamw":    func(o *Optimizer) { o.Eps = 0 },
	} {
		bad := tiny.Optimizer
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: %+v is valid", name, bad)
		}
	}
}

// The settings of AdamW lie beside kind and momentum, not below them.
func TestOptimizerJSON(t *testing.T) {
	raw, err := json.Marshal(tiny.Optimizer)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"adamw","beta1":0.9,"beta2":0.95,"eps":1e-8,"weight_decay":0.1,"clip_norm":1,"decay_all":false,"momentum":0.95}`
	if string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
	var back Optimizer
	if err := json.Unmarshal(raw, &back); err != nil || back != tiny.Optimizer {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

func TestNewRefusesTheOthersKind(t *testing.T) {
	p := of(KindGradient)
	p.Backend = backendtest.Open(t, backendtest.Go)
	if _, err := New(p); err == nil {
		t.Error("a trainer without an optimizer")
	}
	p.Optimizer.Kind = KindMuon
	if _, err := NewGradient(p); err == nil {
		t.Error("a gradient with an optimizer")
	}
}
