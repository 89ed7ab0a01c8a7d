package codec

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
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
		if got := fingerprint(t, c, cover.Total, nil); got != want[name] {
			t.Errorf("%s: BLAKE3 of payloads, norms and state is %s, want %s", name, got, want[name])
		}
	}
}

// The same for the codecs that keep some, and a step of the cosine codecs after it.
func TestKeepersAreTheSameEverywhere(t *testing.T) {
	cover := Cover{Total: 24300, Ranges: []Range{{From: 0, To: 20000, Cols: 160}, {From: 20010, To: 20139}, {From: 20139, To: 20140}, {From: 20140, To: 24236, Cols: 64}, {From: 24237, To: 24244}}}
	want := map[string]string{
		"sparse":      "8e8b5899486e2e61d511d331d458c56b91063906b39a955997c9b39e946afeb1",
		"cosine fp32": "96a243236e38b6df14c2b89cf0560eb5972974265f642b36fcf62eda32642375",
		"cosine fp16": "6b64cff1a4f34b37876e0337a3ac4dc9f4ba3dfd1a17a70a65a037373cdfac7e",
		"cosine bit":  "eb34a60a27c1fb154bab2ea87ecd68eeebb502eea03a15947031ab216fdd3d88",
	}
	for name, c := range keepers(t, cover, 4096, 32) {
		var step func(x []float32, terms []Term) error
		if o, ok := c.(*Cosine); ok {
			step = func(x []float32, terms []Term) error {
				return errors.Join(o.Step(x, x, terms, 1e-3, .9999, false), o.Step(x, x, terms, 1e-3, .9999, true))
			}
		}
		if got := fingerprint(t, c, cover.Total, step); got != want[name] {
			t.Errorf("%s: BLAKE3 of payloads, norms and state is %s, want %s", name, got, want[name])
		}
	}
}

// fingerprint is a hash of ten payloads, their norms, and a vector of n after they were subtracted and then was called.
func fingerprint(t *testing.T, c codec, n int, then func(x []float32, terms []Term) error) string {
	t.Helper()
	s := noise(1)
	x := s.vector(n, 4)
	h := blake3.New(32, nil)
	var terms []Term
	for i := range 10 {
		d := s.vector(n, 7)
		for j := range d {
			d[j] *= d[j] * d[j] // from large down to subnormal halves
		}
		payload, err := c.Encode(nil, d, s.vector(n, 20+i))
		if err != nil {
			t.Fatal(err)
		}
		terms = append(terms, Term{payload, float64(i-3) / 7})
		_, _ = h.Write(payload)
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(c.Norm(payload))))
	}
	if err := c.Subtract(x, x, terms); err != nil {
		t.Fatal(err)
	}
	if then != nil {
		if err := then(x, terms); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range x {
		_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	return hex.EncodeToString(h.Sum(nil))
}
