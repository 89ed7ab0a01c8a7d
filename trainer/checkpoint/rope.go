package checkpoint

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/trainer/model"
)

// Types of layers, as layer_types and rope_parameters name them.
const (
	full    = "full_attention"
	sliding = "sliding_attention"
)

// ropeDefault is the type of frequencies that nothing stretches.
const ropeDefault = "default"

// ropeKeys are those of an object about rotary positions.
var ropeKeys = []string{
	"rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow",
	"mscale", "mscale_all_dim", "truncate", "low_freq_factor", "high_freq_factor", "short_factor", "long_factor",
}

// positions reads how positions are told.
func (f *fields) positions(c *model.Config, of rope) {
	if of.byLayer {
		f.positionsByLayer(c, of)
		return
	}
	c.RopeTheta = f.number("rope_theta", 10000)
	part := 1.
	if of.partial || f.own["partial_rotary_factor"] {
		part = f.number("partial_rotary_factor", 1)
	}
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		if o := f.object(key); o != nil {
			f.named(o, key)
			c.RopeTheta = o.number("rope_theta", c.RopeTheta)
			part = o.number("partial_rotary_factor", part)
			original := o.whole("original_max_position_embeddings", c.SeqLen)
			original = f.whole("original_max_position_embeddings", original) // beside the object it goes before
			c.RopeScaling = o.scaling(c.SeqLen, original, of)
			f.keep(o.err)
			break
		}
	}
	if dim := int(float64(c.HeadDim) * part); part != 1 {
		switch {
		case !of.partial:
			f.keep(fmt.Errorf("partial_rotary_factor %g of a %s is not supported, want 1", part, c.FamilyName()))
		case dim < 2 || dim%2 != 0 || dim > c.HeadDim:
			f.keep(fmt.Errorf("partial_rotary_factor %g turns %d of %d dimensions, want an even number", part, dim, c.HeadDim))
		case dim < c.HeadDim:
			c.RopeDim = dim
		}
	}
}

// positionsByLayer reads those of families whose windowed layers have others. rope_scaling and rope_theta, the older spelling, speak of the full layers.
func (f *fields) positionsByLayer(c *model.Config, family rope) {
	c.RopeTheta, c.WindowTheta = f.number("rope_theta", 0), family.windowTheta
	if family.windowKey != "" {
		c.WindowTheta = f.number(family.windowKey, c.WindowTheta)
	}
	layers := f.object("rope_parameters")
	if layers == nil {
		layers = &fields{seen: map[string]bool{}, own: map[string]bool{}}
	}
	for key := range layers.own {
		if key != full && key != sliding {
			f.keep(fmt.Errorf("rope_parameters has %s beside %s and %s, which is not supported", key, full, sliding))
		}
	}
	of := layers.object(full)
	if old := f.object("rope_scaling"); old != nil {
		if of == nil {
			if kind := old.text("type", ropeDefault); !f.has("rope_parameters") && !old.own["rope_type"] && kind != ropeDefault {
				f.keep(fmt.Errorf("rope_scaling of a %s with type %s and no rope_type is not supported: transformers passes over it", c.Family, kind))
			}
			of = old
		} else {
			for key, v := range old.values {
				of.values[key], of.own[key] = v, true
			}
		}
	}
	if of != nil {
		f.named(of, full)
		c.RopeTheta = of.number("rope_theta", c.RopeTheta)
		c.RopeScaling = of.scaling(c.SeqLen, of.whole("original_max_position_embeddings", c.SeqLen), family)
		if of.number("partial_rotary_factor", 1) != 1 {
			of.keep(errors.New("partial_rotary_factor is not supported"))
		}
		if of.own["truncate"] { // transformers looks for it beside the layers' objects alone
			of.keep(errors.New("truncate is not supported for some layers"))
		}
		f.keep(of.err)
	}
	if of := layers.object(sliding); of != nil {
		f.named(of, sliding)
		c.WindowTheta = of.number("rope_theta", c.WindowTheta)
		if s := of.scaling(c.SeqLen, c.SeqLen, family); !s.IsZero() || of.number("partial_rotary_factor", 1) != 1 {
			of.keep(fmt.Errorf("rope type %q of %s layers is not supported, want %s", s.Type, sliding, ropeDefault))
		}
		f.keep(of.err)
	}
	f.keep(layers.err)
	if c.Windowed == "" || c.WindowTheta == c.RopeTheta && c.RopeScaling.IsZero() {
		c.WindowTheta = 0
	}
}

// named refuses keys of an object about rotary positions that nobody knows.
func (f *fields) named(o *fields, where string) {
	for key := range o.own {
		if !slices.Contains(ropeKeys, key) {
			f.keep(fmt.Errorf("%s of %s is not supported", key, where))
		}
	}
}

// scaling reads how rotary frequencies are stretched, of a model for so many positions; original is how many it was trained on first.
func (f *fields) scaling(positions, original int, of rope) (s model.RopeScaling) {
	kind := f.text("rope_type", f.text("type", ropeDefault))
	if of.longrope {
		if slices.Contains([]string{"su", model.RopeYarn}, kind) {
			kind = model.RopeLongrope // its older names
		}
		if kind != ropeDefault && kind != model.RopeLongrope {
			f.keep(fmt.Errorf("rope type %q is not supported here, want %s or %s", kind, ropeDefault, model.RopeLongrope))
			return s
		}
	}
	must := func(keys ...string) {
		for _, key := range keys {
			if !f.has(key) {
				f.keep(fmt.Errorf("rope type %s without its %s", kind, key))
			}
		}
	}
	switch kind {
	case ropeDefault:
		return s
	case model.RopeLinear:
		must("factor")
		if f.number("factor", 0) == 1 { // by which nothing is stretched
			return s
		}
		s = model.RopeScaling{Type: kind, Factor: f.number("factor", 0)}
	case model.RopeLlama3:
		must("factor", "low_freq_factor", "high_freq_factor")
		s = model.RopeScaling{Type: kind, Factor: f.number("factor", 0), Low: f.number("low_freq_factor", 0), High: f.number("high_freq_factor", 0), Original: original}
	case model.RopeYarn:
		s = f.yarn(float64(positions), original)
	case model.RopeLongrope:
		must("short_factor", "long_factor")
		s = model.RopeScaling{Type: kind, Short: f.numbers("short_factor"), Long: f.numbers("long_factor"), Original: original}
		factor := f.number("factor", float64(positions)/float64(max(original, 1)))
		otherwise := 1.
		if factor > 1 {
			otherwise = math.Sqrt(1 + math.Log(factor)/math.Log(float64(original)))
		}
		s.AttentionFactor = f.number("attention_factor", otherwise)
	default:
		f.keep(fmt.Errorf("rope type %q is not supported, want one of %s", kind,
			strings.Join([]string{ropeDefault, model.RopeLinear, model.RopeLlama3, model.RopeYarn, model.RopeLongrope}, ", ")))
	}
	if f.err == nil {
		f.keep(s.Validate())
	}
	return s
}

func (f *fields) yarn(positions float64, original int) model.RopeScaling {
	factor := f.number("factor", positions/float64(max(original, 1)))
	scale := func(by float64) float64 {
		if factor <= 1 {
			return 1
		}
		return 0.1*by*math.Log(factor) + 1
	}
	otherwise := scale(1)
	if m, all := f.number("mscale", 0), f.number("mscale_all_dim", 0); m != 0 && all != 0 {
		otherwise = scale(m) / scale(all)
	}
	or := func(key string, otherwise float64) float64 {
		if v := f.number(key, 0); v != 0 {
			return v
		}
		return otherwise
	}
	return model.RopeScaling{
		Type: model.RopeYarn, Factor: factor, Original: original, BetaFast: or("beta_fast", 32), BetaSlow: or("beta_slow", 1),
		AttentionFactor: f.number("attention_factor", otherwise), Untruncated: f.own["truncate"] && !f.flag("truncate"),
	}
}
