package outer

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"lukechampine.com/blake3"
	"pgregory.net/rapid"

	"github.com/murmurnet/murmur/trainer/codec"
)

func newBitloco(t testing.TB, chunk int, sizes ...int) *Bitloco {
	t.Helper()
	b, err := NewBitloco(Params{Sizes: sizes, Chunk: chunk, Bits: 1})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// noise is a stream of floats in ±2^-exponent made of integers alone, so equal on every CPU.
type noise uint64

func (s *noise) next(exponent int) float32 {
	*s = *s*6364136223846793005 + 1442695040888963407
	return float32(int32(*s>>32)) / float32(uint64(1)<<(31+exponent))
}

func (s *noise) vector(n, exponent int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = s.next(exponent)
	}
	return v
}

func encode(t interface{ Fatal(...any) }, b *Bitloco, d []float32) []byte {
	payload, err := b.Encode(nil, d, make([]float32, len(d)))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestParamsAreChecked(t *testing.T) {
	for _, p := range []Params{
		{Sizes: []int{8}, Chunk: 4096, Bits: 2},
		{Sizes: []int{8}, Chunk: 4095, Bits: 1},
		{Chunk: 4096, Bits: 1},
	} {
		if _, err := NewBitloco(p); err == nil {
			t.Errorf("%+v: accepted", p)
		}
	}
}

// naive is the package comment, one coordinate at a time. Chunks are all full and of size 8.
func naive(head []float32, updates []Update) []float32 {
	scale := func(u Update, c int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(u.Payload[16+4*c:])))
	}
	chunks := len(head) / 8
	var norms []float64
	var tokens uint64
	for _, u := range updates {
		sum := 0.0
		for c := range chunks {
			sum += float64(8 * float64(scale(u, c)*scale(u, c)))
		}
		norms = append(norms, math.Sqrt(sum))
		tokens += u.Tokens
	}
	sorted := slices.Clone(norms)
	slices.Sort(sorted)
	median := sorted[(len(sorted)-1)/2]
	out := slices.Clone(head)
	for j := range out {
		var sum float32
		for i, u := range updates {
			w := float64(u.Tokens) / float64(tokens)
			if len(updates) >= 3 && norms[i] > 2*median {
				w = float64(w * (median / norms[i]))
			}
			s := float32(float64(w * scale(u, j/8)))
			if u.Payload[16+4*chunks+j/8]>>(j%8)&1 == 1 {
				s = -s
			}
			if i%8 == 0 {
				out[j] -= sum
				sum = s
			} else {
				sum += s
			}
		}
		out[j] -= sum
	}
	return out
}

func TestApplyIsTheFormula(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := 8 * rapid.IntRange(1, 40).Draw(rt, "chunks")
		b := newBitloco(t, 8, n)
		s := noise(rapid.Uint64().Draw(rt, "seed"))
		head := s.vector(n, 5)
		updates := make([]Update, rapid.IntRange(1, 18).Draw(rt, "updates"))
		for i := range updates {
			size := rapid.SampledFrom([]int{10, 10, 10, 10, 5, 14}).Draw(rt, "exponent")
			updates[i] = Update{encode(rt, b, s.vector(n, size)), rapid.Uint64Range(1, 1<<49).Draw(rt, "tokens")}
		}
		want, dst := naive(head, updates), make([]float32, n)
		if err := b.Apply(dst, head, updates); err != nil {
			rt.Fatal(err)
		}
		equalBits(rt, dst, want)
		if err := b.Apply(head, head, updates); err != nil {
			rt.Fatal(err)
		}
		equalBits(rt, head, want)
	})
}

func equalBits(t interface{ Fatalf(string, ...any) }, got, want []float32) {
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("parameter %d is %g, want %g", i, got[i], want[i])
		}
	}
}

func TestWeights(t *testing.T) {
	for name, c := range map[string]struct {
		tokens []uint64
		norms  []float64
		want   []float64 // nil: refused
	}{
		"one":                        {[]uint64{7}, []float64{1}, []float64{1}},
		"by tokens":                  {[]uint64{1, 3}, []float64{1, 1}, []float64{.25, .75}},
		"two are not clipped":        {[]uint64{1, 1}, []float64{1, 50}, []float64{.5, .5}},
		"far above the median":       {[]uint64{2, 1, 1}, []float64{1, 1, 8}, []float64{.5, .25, .25 / 8}},
		"twice is not far":           {[]uint64{2, 1, 1}, []float64{1, 1, 2}, []float64{.5, .25, .25}},
		"lower median of four":       {[]uint64{1, 1, 1, 1}, []float64{1, 1, 3, 4}, []float64{.25, .25, .25 / 3, .25 / 4}},
		"nothing learned by most":    {[]uint64{1, 1, 2}, []float64{0, 0, 5}, []float64{.25, .25, 0}},
		"no updates":                 {},
		"no tokens":                  {[]uint64{1, 0}, []float64{1, 1}, nil},
		"more tokens than are exact": {[]uint64{1, maxTokens}, []float64{1, 1}, nil},
		"tokens that wrap around":    {[]uint64{2, math.MaxUint64}, []float64{1, 1}, nil},
	} {
		updates := make([]Update, len(c.tokens))
		for i, n := range c.tokens {
			updates[i].Tokens = n
		}
		got, err := weigh(updates, c.norms)
		if (err == nil) != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}

func TestApplyRefusesAndLeavesDst(t *testing.T) {
	b := newBitloco(t, 64, 100)
	good := encode(t, b, slices.Repeat([]float32{1}, 100))
	head := make([]float32, 100)
	for name, updates := range map[string][]Update{
		"no updates": nil,
		"no tokens":  {{good, 0}},
		"bad second": {{good, 1}, {good[1:], 1}},
	} {
		dst := slices.Repeat([]float32{5}, 100)
		if err := b.Apply(dst, head, updates); err == nil || slices.Min(dst) != 5 {
			t.Errorf("%s: %v, dst %g", name, err, dst[0])
		}
	}
	if err := b.Apply(head[:99], head, []Update{{good, 1}}); err == nil {
		t.Error("a short destination was accepted")
	}
	for _, sign := range []float32{0, 2, float32(math.NaN())} {
		if b.AddDecoded(head, good, sign) == nil {
			t.Errorf("sign %g was accepted", sign)
		}
	}
	if err := b.AddDecoded(head, good[1:], 1); !errors.Is(err, codec.ErrPayload) {
		t.Errorf("a short payload: %v", err)
	}
}

// A node alone that publishes and adopts arrives at the same place by both ways: its commit takes z off the head, and
// its residual shrinks by z.
func TestAddDecodedIsWhatApplyTakes(t *testing.T) {
	s := noise(3)
	b := newBitloco(t, 64, 70, 130)
	head := s.vector(200, 4)
	payload := encode(t, b, s.vector(200, 9))
	next := make([]float32, 200)
	if err := b.Apply(next, head, []Update{{payload, 12}}); err != nil {
		t.Fatal(err)
	}
	if err := b.AddDecoded(head, payload, -1); err != nil {
		t.Fatal(err)
	}
	equalBits(t, head, next)
}

// One Apply over ten updates of which one is clipped, short chunks and long, fixed for good: CI compares it on amd64,
// amd64 at level v3 and arm64.
func TestApplyIsTheSameEverywhere(t *testing.T) {
	s := noise(1)
	sizes := []int{20000, 129, 1, 4096, 7}
	n := 20000 + 129 + 1 + 4096 + 7
	b := newBitloco(t, DefaultChunk, sizes...)
	head := s.vector(n, 4)
	var updates []Update
	h := blake3.New(32, nil)
	for i := range 10 {
		exponent := 9
		if i == 4 {
			exponent = 6
		}
		updates = append(updates, Update{encode(t, b, s.vector(n, exponent)), uint64(1000 + 77*i)})
		_, _ = h.Write(updates[i].Payload)
	}
	if err := b.Apply(head, head, updates); err != nil {
		t.Fatal(err)
	}
	for _, x := range head {
		_, _ = h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
	}
	const want = "1f2f3dccd74ab140dd495b639c38b31b6826ab740947add68fd46843c3652dcd"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Fatalf("BLAKE3 of payloads and state is %s, want %s", got, want)
	}
}
