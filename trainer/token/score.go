package token

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// score is a number as the reference reads it: all digits that fit 64 bits, times or by a power of ten, which is off by
// one in the last place now and then. Ways through a text whose scores tie, such as long runs of one character, come out
// as they do there only with the same error.
type score float64

var errScore = errors.New("a score is not a number that fits")

// UnmarshalJSON reads a JSON number.
func (s *score) UnmarshalJSON(raw []byte) error {
	digits, negative := strings.CutPrefix(string(raw), "-")
	mantissa, exp, _ := strings.Cut(strings.ToLower(digits), "e")
	exponent := 0
	if exp != "" {
		var err error
		if exponent, err = strconv.Atoi(exp); err != nil || max(exponent, -exponent) > 10000 {
			return errScore
		}
	}
	var number uint64
	whole, full := true, false
	for _, c := range mantissa {
		switch {
		case c == '.':
			whole = false
			continue
		case c < '0' || c > '9':
			return errScore
		}
		d := uint64(c - '0')
		if full = full || number > (math.MaxUint64-d)/10; full {
			if whole {
				exponent++
			}
			continue
		}
		number = number*10 + d
		if !whole {
			exponent--
		}
	}
	f := float64(number)
	for ; exponent < -308 && f != 0; exponent += 308 {
		f /= 1e308
	}
	if exponent < 0 {
		f /= math.Pow10(max(-exponent, 0))
	} else {
		f *= math.Pow10(exponent)
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return errScore
	}
	if negative {
		f = -f
	}
	*s = score(f)
	return nil
}

// piece is a token of a Unigram vocabulary and its score.
type piece struct {
	text  string
	score score
}

// UnmarshalJSON reads a list of the two.
func (p *piece) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[2]any{&p.text, &p.score})
}
