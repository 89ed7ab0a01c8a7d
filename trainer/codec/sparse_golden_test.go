package codec

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"lukechampine.com/blake3"
)

// Ten payloads of each codec, what subtracting them makes of a vector and, for the cosine codecs, a step, fixed for good:
// CI compares them on amd64, amd64 at level v3 and arm64.
func TestKeepersAreTheSameEverywhere(t *testing.T) {
	cover := Cover{Total: 24300, Ranges: []Range{{From: 0, To: 20000, Cols: 160}, {From: 20010, To: 20139}, {From: 20139, To: 20140}, {From: 20140, To: 24236, Cols: 64}, {From: 24237, To: 24244}}}
	want := map[string]string{
		"sparse":      "8e8b5899486e2e61d511d331d458c56b91063906b39a955997c9b39e946afeb1",
		"cosine fp32": "96a243236e38b6df14c2b89cf0560eb5972974265f642b36fcf62eda32642375",
		"cosine fp16": "6b64cff1a4f34b37876e0337a3ac4dc9f4ba3dfd1a17a70a65a037373cdfac7e",
		"cosine bit":  "eb34a60a27c1fb154bab2ea87ecd68eeebb502eea03a15947031ab216fdd3d88",
	}
	for name, c := range keepers(t, cover, 4096, 32) {
		s := noise(1)
		x := s.vector(cover.Total, 4)
		h := blake3.New(32, nil)
		var terms []Term
		for i := range 10 {
			d := s.vector(cover.Total, 7)
			for j := range d {
				d[j] *= d[j] * d[j] // from large to small
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
		if o, ok := c.(*Cosine); ok {
			for _, senders := range []bool{false, true} {
				if err := o.Step(x, x, terms, 1e-3, .9999, senders); err != nil {
					t.Fatal(name, err)
				}
			}
		}
		for _, v := range x {
			_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want[name] {
			t.Errorf("%s: BLAKE3 of payloads, norms and state is %s, want %s", name, got, want[name])
		}
	}
}
