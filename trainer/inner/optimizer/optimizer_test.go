package optimizer

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/murmurnet/murmur/trainer/inner/adam"
)

var usual = Optimizer{Kind: AdamW, Precision: Float32, AdamW: adam.AdamW{Beta1: .9, Beta2: .95, Eps: 1e-8, WeightDecay: .1, ClipNorm: 1}, Momentum: .95}

func TestValidate(t *testing.T) {
	for _, kind := range []string{AdamW, Muon, None} {
		good := usual
		good.Kind = kind
		if err := good.Validate(); err != nil {
			t.Error(err)
		}
	}
	for name, spoil := range map[string]func(*Optimizer){
		"no kind":   func(o *Optimizer) { o.Kind = "" },
		"kind":      func(o *Optimizer) { o.Kind = "sgd" },
		"momentum":  func(o *Optimizer) { o.Momentum = 1 },
		"precision": func(o *Optimizer) { o.Precision = "fp8" },
		"not one":   func(o *Optimizer) { o.Momentum = math.NaN() },
		"adamw":     func(o *Optimizer) { o.Eps = 0 },
	} {
		bad := usual
		spoil(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: %+v is valid", name, bad)
		}
	}
}

// The settings of AdamW lie beside kind and momentum, not below them.
func TestJSON(t *testing.T) {
	raw, err := json.Marshal(usual)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"adamw","beta1":0.9,"beta2":0.95,"eps":1e-8,"weight_decay":0.1,"clip_norm":1,"decay_all":false,"momentum":0.95,"precision":"float32"}`
	if string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
	var back Optimizer
	if err := json.Unmarshal(raw, &back); err != nil || back != usual {
		t.Errorf("read back as %+v, %v", back, err)
	}
}
