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
		"one bit":  "4554f5ae47ece398629df38488073ca8e932b6389edc5693993cd4f8fb42cf1f",
		"two bits": "b4cf2e0cfc1268c6fad65a9e977b0cf380d204fac74ac1295778feb45cab1bdf",
		"fp32":     "ba63c938056f020eb0a365fec6078a0be152830fea8417cf84e2557c7c386c88",
		"fp16":     "13459452f9bcbb10498e0d1e18e9d5715019d9b7fb69f1cf00fb4522619dab21",
		"int8":     "b6acc39f54cbc4a838a95468dfeb29ff91b0fb3aee5d023b5b5ccc0f96dfed72",
		"fp4":      "2c63daf80c041bcd52a4d6e0de8931c4ca82dc5ae3230dc5e6ee251463b505df",
	}
	for name, c := range codecs(t, cover, 4096) {
		if got := fingerprint(t, c, cover.Total, nil); got != want[name] {
			t.Errorf("%s: BLAKE3 of payloads and state is %s, want %s", name, got, want[name])
		}
	}
}

// The same for the codecs that keep some, and a step of the cosine codecs after it.
func TestKeepersAreTheSameEverywhere(t *testing.T) {
	cover := Cover{Total: 24300, Ranges: []Range{{From: 0, To: 20000, Cols: 160}, {From: 20010, To: 20139}, {From: 20139, To: 20140}, {From: 20140, To: 24236, Cols: 64}, {From: 24237, To: 24244}}}
	want := map[string]string{
		"sparse":      "6f1ad815f5428fae2a971fc3594a8a09f0045e84e8a8f2ece7f5841e579b1973",
		"cosine fp32": "886e60cec975dbf45927ef2d83d0f46bc394378eac900547ecb2a9479b9c0554",
		"cosine fp16": "0ab1a5fa90e5e3b7bfa41ba1fe2af25a7d0fe4c72c5be988221a35d9d8e83afe",
		"cosine bit":  "e036464aacfd83b7ddbc48bf5d78990aeddff42171295b15d1721ab692e81f7c",
	}
	for name, c := range keepers(t, cover, 4096, 32) {
		var step func(x []float32, terms []Term) error
		if o, ok := c.(*Cosine); ok {
			step = func(x []float32, terms []Term) error {
				return errors.Join(o.Step(x, x, terms, nil, 1e-3, .9999, false), o.Step(x, x, terms, median, 1e-3, .9999, true))
			}
		}
		if got := fingerprint(t, c, cover.Total, step); got != want[name] {
			t.Errorf("%s: BLAKE3 of payloads and state is %s, want %s", name, got, want[name])
		}
	}
}

// fingerprint is a hash of ten payloads, and of a vector of n after they and five of them were subtracted, bounded and not,
// and then was called.
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
	}
	for _, most := range []Most{nil, median} {
		for _, some := range [][]Term{terms, terms[4:9]} {
			if err := c.Subtract(x, x, some, most); err != nil {
				t.Fatal(err)
			}
		}
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
