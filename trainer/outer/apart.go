package outer

import (
	"fmt"

	"github.com/murmurnet/murmur/trainer/codec"
)

// apart sends norms and embedding as the settings have them, and the rest by the codec that sparing makes for it.
func (p Params) apart(sparing func(codec.Cover) (coder, error)) (coder, error) {
	norms := func(t Tensor) bool { return p.Settings.Norms != "" && len(t.Shape) == 1 }
	embedding := func(t Tensor) bool { return p.Settings.Embedding != "" && len(t.Shape) > 1 && t.Layer < 0 }
	var dense []*codec.Values
	for _, d := range []struct {
		holds  func(Tensor) bool
		format string
	}{{norms, p.Settings.Norms}, {embedding, p.Settings.Embedding}} {
		if c := p.cover(d.holds); len(c.Ranges) > 0 {
			v, err := codec.NewValues(c, int(p.Settings.Chunk), formats[d.format])
			if err != nil {
				return nil, err
			}
			dense = append(dense, v)
		}
	}
	rest := p.cover(func(t Tensor) bool { return !norms(t) && !embedding(t) })
	if len(rest.Ranges) == 0 {
		return nil, fmt.Errorf("the model has norms and embedding alone")
	}
	last, err := sparing(rest)
	if err != nil || len(dense) == 0 {
		return last, err
	}
	return &joined{dense, last}, nil
}

// joined puts payloads behind each other, of codecs that cover different parameters. All but the last are of one length.
type joined struct {
	first []*codec.Values
	last  coder
}

func (j *joined) Max() int {
	n := j.last.Max()
	for _, c := range j.first {
		n += c.Max()
	}
	return n
}

func (j *joined) Encode(dst []byte, head, local []float32) ([]byte, error) {
	dst = dst[:0]
	for _, c := range j.first {
		b, err := c.Encode(nil, head, local)
		if err != nil {
			return nil, err
		}
		dst = append(dst, b...)
	}
	b, err := j.last.Encode(nil, head, local)
	return append(dst, b...), err
}

// cut gives each codec its part.
func (j *joined) cut(payload []byte) (first [][]byte, last []byte, err error) {
	for _, c := range j.first {
		if len(payload) < c.Max() {
			return nil, nil, fmt.Errorf("%w: it ends %d bytes early", codec.ErrPayload, c.Max()-len(payload))
		}
		first, payload = append(first, payload[:c.Max()]), payload[c.Max():]
	}
	return first, payload, nil
}

func (j *joined) Check(payload []byte) error {
	first, last, err := j.cut(payload)
	if err != nil {
		return err
	}
	for i, c := range j.first {
		if err := c.Check(first[i]); err != nil {
			return err
		}
	}
	return j.last.Check(last)
}

func (j *joined) Chunks() int {
	n := j.last.Chunks()
	for _, c := range j.first {
		n += c.Chunks()
	}
	return n
}

func (j *joined) Subtract(dst, src []float32, terms []codec.Term, most codec.Most) error {
	parts := make([][]codec.Term, len(j.first)+1)
	for i, t := range terms {
		if err := j.Check(t.Payload); err != nil {
			return fmt.Errorf("term %d: %w", i, err)
		}
		first, last, err := j.cut(t.Payload)
		if err != nil {
			return err
		}
		for k, payload := range append(first, last) {
			parts[k] = append(parts[k], codec.Term{Payload: payload, Weight: t.Weight})
		}
	}
	from := 0
	for k, c := range j.first {
		if err := c.Subtract(dst, src, parts[k], behind(most, from)); err != nil {
			return err
		}
		src, from = dst, from+c.Chunks()
	}
	return j.last.Subtract(dst, src, parts[len(j.first)], behind(most, from))
}

// behind is most for a codec whose chunks come after so many others.
func behind(most codec.Most, from int) codec.Most {
	if most == nil {
		return nil
	}
	return func(c int, scales []float32) float32 { return most(from+c, scales) }
}
