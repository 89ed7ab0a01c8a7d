package codec

import "testing"

// cover25M is the shape of a decoder of 25 million parameters: 25 blocks of matrices, norms between them.
func cover25M() Cover {
	var sizes []int
	for range 25 {
		sizes = append(sizes, 512, 512*512, 512*512, 512*923)
	}
	return Whole(sizes)
}

// To reach on 2 cores: 50 ms with one bit, 100 ms with two.
func BenchmarkEncode25M(b *testing.B) {
	cover := cover25M()
	s := noise(1)
	head, local := s.vector(cover.Total, 5), s.vector(cover.Total, 5)
	for name, codec := range codecs(b, cover, 4096) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(4 * cover.Total))
			b.ReportAllocs()
			payload := make([]byte, codec.Max())
			for b.Loop() {
				var err error
				if payload, err = codec.Encode(payload, head, local); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(payload)), "payload-bytes")
		})
	}
}

// To reach on 2 cores: 150 ms with one bit, 300 ms with two.
func BenchmarkSubtract8x25M(b *testing.B) {
	cover := cover25M()
	s := noise(1)
	head, dst := s.vector(cover.Total, 5), make([]float32, cover.Total)
	for name, codec := range codecs(b, cover, 4096) {
		b.Run(name, func(b *testing.B) {
			var terms []Term
			for range 8 {
				payload, err := codec.Encode(nil, s.vector(cover.Total, 9), nil)
				if err != nil {
					b.Fatal(err)
				}
				terms = append(terms, Term{payload, .125})
			}
			b.SetBytes(int64(4 * cover.Total))
			b.ReportAllocs()
			for b.Loop() {
				if err := codec.Subtract(dst, head, terms, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
