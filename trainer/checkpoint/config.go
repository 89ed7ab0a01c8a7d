package checkpoint

import (
	"encoding/json"
	"fmt"

	"github.com/murmurnet/murmur/trainer/model"
)

// hfConfig holds the fields of a Hugging Face config.json that matter to a Llama. Pointers tell absent from zero.
type hfConfig struct {
	ModelType        string          `json:"model_type"`
	Architectures    []string        `json:"architectures"`
	VocabSize        int             `json:"vocab_size"`
	HiddenSize       int             `json:"hidden_size"`
	Layers           int             `json:"num_hidden_layers"`
	Heads            int             `json:"num_attention_heads"`
	KVHeads          *int            `json:"num_key_value_heads"`
	HeadDim          *int            `json:"head_dim"`
	Intermediate     int             `json:"intermediate_size"`
	MaxPositions     int             `json:"max_position_embeddings"`
	RMSNormEps       *float64        `json:"rms_norm_eps"`
	RopeTheta        *float64        `json:"rope_theta"`
	RopeParameters   *hfRope         `json:"rope_parameters"`
	RopeScaling      *hfRope         `json:"rope_scaling"`
	HiddenAct        string          `json:"hidden_act"`
	AttentionBias    bool            `json:"attention_bias"`
	AttentionDropout float64         `json:"attention_dropout"`
	MLPBias          bool            `json:"mlp_bias"`
	TieEmbeddings    bool            `json:"tie_word_embeddings"`
	Quantization     json.RawMessage `json:"quantization_config"`
}

type hfRope struct {
	Theta    *float64 `json:"rope_theta"`
	Type     string   `json:"rope_type"`
	OldType  string   `json:"type"`
	Partial  *float64 `json:"partial_rotary_factor"`
	Factor   float64  `json:"factor"`
	Low      float64  `json:"low_freq_factor"`
	High     float64  `json:"high_freq_factor"`
	Original int      `json:"original_max_position_embeddings"`
}

// Rope types of Hugging Face that package model has.
const (
	ropeDefault = "default"
	ropeLlama3  = "llama3"
)

func (r hfRope) kind() string {
	switch {
	case r.Type != "":
		return r.Type
	case r.OldType != "":
		return r.OldType
	default:
		return ropeDefault
	}
}

// ParseConfig reads a Hugging Face config.json of a Llama, with rope theta at the top level (up to transformers 4) or in
// rope_parameters (transformers 5). What package model does not have is refused by its name.
func ParseConfig(configJSON []byte) (model.Config, error) {
	var h hfConfig
	if err := json.Unmarshal(configJSON, &h); err != nil {
		return model.Config{}, err
	}
	if err := h.unsupported(); err != nil {
		return model.Config{}, err
	}
	theta, err := h.theta()
	if err != nil {
		return model.Config{}, err
	}
	scaling, err := h.scaling()
	if err != nil {
		return model.Config{}, err
	}
	c := model.Config{
		Vocab:       h.VocabSize,
		Dim:         h.HiddenSize,
		Layers:      h.Layers,
		Heads:       h.Heads,
		KVHeads:     or(h.KVHeads, h.Heads),
		FFN:         h.Intermediate,
		SeqLen:      h.MaxPositions,
		RopeTheta:   theta,
		RopeScaling: scaling,
		NormEps:     or(h.RMSNormEps, 1e-6),
		Tied:        h.TieEmbeddings,
	}
	if c.Heads > 0 {
		c.HeadDim = or(h.HeadDim, c.Dim/c.Heads)
	}
	return c, c.Validate()
}

// unsupported names the first thing that the model's graph lacks.
func (h hfConfig) unsupported() error {
	if h.ModelType != "llama" {
		return fmt.Errorf("model_type %q is not supported, want llama", h.ModelType)
	}
	for _, a := range h.Architectures {
		if a != "LlamaForCausalLM" {
			return fmt.Errorf("architecture %s is not supported, want LlamaForCausalLM", a)
		}
	}
	for _, r := range []*hfRope{h.RopeParameters, h.RopeScaling} {
		if r == nil {
			continue
		}
		if t := r.kind(); t != ropeDefault && t != ropeLlama3 {
			return fmt.Errorf("rope type %q is not supported, want %s or %s", t, ropeDefault, ropeLlama3)
		}
		if or(r.Partial, 1) != 1 {
			return fmt.Errorf("partial_rotary_factor %g is not supported, want 1", *r.Partial)
		}
	}
	switch {
	case h.HiddenAct != "" && h.HiddenAct != "silu":
		return fmt.Errorf("hidden_act %q is not supported, want silu", h.HiddenAct)
	case h.AttentionBias:
		return fmt.Errorf("attention_bias is not supported")
	case h.MLPBias:
		return fmt.Errorf("mlp_bias is not supported")
	case h.AttentionDropout != 0:
		return fmt.Errorf("attention_dropout %g is not supported", h.AttentionDropout)
	case len(h.Quantization) > 0 && string(h.Quantization) != "null":
		return fmt.Errorf("quantization_config is not supported")
	}
	return nil
}

// theta takes the rotary base from either spelling; 10000 where neither says.
func (h hfConfig) theta() (float64, error) {
	if h.RopeParameters == nil || h.RopeParameters.Theta == nil {
		return or(h.RopeTheta, 10000), nil
	}
	inner := *h.RopeParameters.Theta
	if outer := or(h.RopeTheta, inner); outer != inner {
		return 0, fmt.Errorf("rope_theta is %g at the top and %g in rope_parameters", outer, inner)
	}
	return inner, nil
}

// scaling takes the stretch of the rotary frequencies from either spelling.
func (h hfConfig) scaling() (s model.RopeScaling, err error) {
	for _, r := range []*hfRope{h.RopeParameters, h.RopeScaling} {
		if r == nil || r.kind() != ropeLlama3 {
			continue
		}
		this := model.RopeScaling{Factor: r.Factor, Low: r.Low, High: r.High, Original: r.Original}
		switch {
		case this == model.RopeScaling{}:
			return s, fmt.Errorf("rope type %s without its factors", ropeLlama3)
		case s != model.RopeScaling{} && s != this:
			return s, fmt.Errorf("rope_parameters and rope_scaling differ")
		}
		s = this
	}
	return s, nil
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
