package codec

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"lukechampine.com/blake3"
)

// Ten payloads of each codec and what subtracting them makes of a vector, short chunks and long, a gap between tensors,
// fixed for good: CI compares it on amd64, amd64 at level v3 and arm64.
func TestSubtractIsTheSameEverywhere(t *testing.T) {
	cover := Cover{Total: 24300, Ranges: []Range{{From: 0, To: 20000}, {From: 20010, To: 20139}, {From: 20139, To: 20140}, {From: 20140, To: 24236}, {From: 24237, To: 24244}}}
	want := map[string]string{
		"one bit":  "9b98796372c85ac7082e9a2fc09353b61c5a5e034c0b0d3f548b92baf1a6715f",
		"two bits": "f2b35d4e17cf33c6577ebf7aef83f72ef7d108310db99590acac6b94f42cefd6",
		"fp32":     "f878bccd6bd07fd1226245d6ba95a1664e856ded739f80dea596b51d492a0301",
		"fp16":     "92940f625c6aa46430a7ed89933f4f196ab07c27aa2511a66123f237981c2cb4",
		"int8":     "7ff58961c196cd580d48828f848ef071c66919719b0cd8dee33c9c7d66d41abf",
		"fp4":      "0cfd2d6ddfde91c2cc4309d1fa827cf51e4ef42e3650447cf3bb57436e864641",
	}
	for name, c := range codecs(t, cover, 4096) {
		s := noise(1)
		x := s.vector(cover.Total, 4)
		h := blake3.New(32, nil)
		var terms []Term
		for i := range 10 {
			d := s.vector(cover.Total, 7)
			for j := range d {
				d[j] *= d[j] * d[j] // down to subnormal halves
			}
			payload, err := c.Encode(nil, d, s.vector(cover.Total, 20+i))
			if err != nil {
				t.Fatal(name, err)
			}
			terms = append(terms, Term{payload, float64(i-3) / 7})
			_, _ = h.Write(payload)
			_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(c.Norm(payload))))
		}
		if err := c.Subtract(x, x, terms); err != nil {
			t.Fatal(name, err)
		}
		for _, v := range x {
			_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want[name] {
			t.Errorf("%s: BLAKE3 of payloads, norms and state is %s, want %s", name, got, want[name])
		}
	}
}
