package codec

import "testing"

// matrices25M is cover25M with rows of 512.
func matrices25M() Cover {
	c := cover25M()
	for i, r := range c.Ranges {
		if r.To-r.From > 512 {
			c.Ranges[i].Cols = 512
		}
	}
	return c
}

// keepers25M are sparseloco's and distro's codecs at their usual density.
func keepers25M(b *testing.B) map[string]codec {
	all := keepers(b, matrices25M(), 4096, 8)
	all["sparse"] = keepers(b, matrices25M(), 4096, 64)["sparse"]
	return all
}

// To reach on 2 cores: 250 ms for sparse.
func BenchmarkKeepersEncode25M(b *testing.B) {
	s := noise(1)
	n := matrices25M().Total
	head, local := s.vector(n, 5), s.vector(n, 5)
	for name, c := range keepers25M(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * n))
			b.ReportAllocs()
			payload := make([]byte, c.Max())
			for b.Loop() {
				var err error
				if payload, err = c.Encode(payload, head, local); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(payload)), "payload-bytes")
		})
	}
}

func terms25M(b *testing.B, c codec, n int) (terms []Term) {
	s := noise(1)
	for range n {
		payload, err := c.Encode(nil, s.vector(matrices25M().Total, 9), nil)
		if err != nil {
			b.Fatal(err)
		}
		terms = append(terms, Term{payload, 1 / float64(n)})
	}
	return terms
}

// To reach on 2 cores: 150 ms for sparse.
func BenchmarkKeepersSubtract8x25M(b *testing.B) {
	n := matrices25M().Total
	s := noise(1)
	head, dst := s.vector(n, 5), make([]float32, n)
	for name, c := range keepers25M(b) {
		b.Run(name, func(b *testing.B) {
			terms := terms25M(b, c, 8)
			b.SetBytes(int64(4 * n))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Subtract(dst, head, terms, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// To reach on 2 cores: 1.5 s.
func BenchmarkStep4x25M(b *testing.B) {
	n := matrices25M().Total
	s := noise(1)
	head, dst := s.vector(n, 5), make([]float32, n)
	for name, c := range keepers25M(b) {
		o, ok := c.(*Cosine)
		if !ok {
			continue
		}
		b.Run(name, func(b *testing.B) {
			terms := terms25M(b, c, 4)
			b.SetBytes(int64(4 * n))
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Step(dst, head, terms, nil, 1e-4, 1, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
