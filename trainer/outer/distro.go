package outer

import (
	"fmt"

	"github.com/murmurnet/murmur/trainer/codec"
	"github.com/murmurnet/murmur/trainer/inner/schedule"
)

// distro is DeMo's step: θ ← (1 − η·wd)·θ − η·sign(IDCT(Σ w C)).
type distro struct {
	settings    Settings
	total       int
	by          map[uint32]*codec.Cosine // by keep
	schedule    schedule.Schedule
	weightDecay float64
}

func newDisTrO(p Params) (Method, error) {
	c := p.cover(all)
	format := codec.CosineBit
	if p.Settings.Values == "fp16" {
		format = codec.CosineFP16
	}
	d := &distro{
		settings: p.Settings, total: c.Total, by: map[uint32]*codec.Cosine{},
		schedule: p.Schedule, weightDecay: p.Optimizer.WeightDecay,
	}
	for _, keep := range p.Settings.keeps() {
		cosine, err := codec.NewCosine(c, int(keep), format)
		if err != nil {
			return nil, err
		}
		d.by[keep] = cosine
	}
	return d, nil
}

func (d *distro) reader() *codec.Cosine { return d.by[d.settings.Keep] }

func (d *distro) Learning() Learning {
	return Learning{
		Gradients: true, Residual: InBuffer, Decay: float32(d.settings.Decay),
		Scale: func(tokens uint64) float32 { return float32(d.schedule.Rate(int64(tokens))) },
	}
}

func (d *distro) State() int { return d.total + d.reader().Chunks() }

func (d *distro) MaxPayload() int { return d.reader().Max() }

func (d *distro) Encode(dst []byte, r Round, head, local []float32) ([]byte, error) {
	at, _ := d.settings.At(r.Tokens)
	return d.by[at.Keep].Encode(dst, head, local)
}

func (d *distro) Check(_ uint64, payload []byte) error { return d.reader().Check(payload) }

func (d *distro) AddDecoded(dst []float32, _ uint64, payload []byte, weight float32) error {
	return addDecoded(d.reader(), dst, payload, weight)
}

func (d *distro) Apply(dst, state []float32, r Round, updates []Update) error {
	if err := sized("apply", d.State(), dst, state); err != nil {
		return err
	}
	ts, err := terms(d.reader(), updates, 1)
	if err != nil {
		return err
	}
	rate := d.schedule.Rate(int64(r.Tokens))
	n := d.total
	if &dst[0] != &state[0] {
		copy(dst[n:], state[n:])
	}
	if err := d.reader().Step(dst[:n:n], state[:n:n], ts, d.settings.usual(dst[n:]), float32(rate), float32(1-float64(rate*d.weightDecay)), false); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}
