package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"
)

const (
	maxReplacement   = 128 // bytes of one; Unicode's longest compatibility mapping has 33
	maxGraphemeBytes = 5   // longer ones are looked up character by character
)

// charsmap is a SentencePiece normalization table: a double array of the strings that change, and what they become.
type charsmap struct {
	units []uint32
	texts []byte // each ends in a zero byte
}

func newCharsmap(blob []byte, growth *int) (*charsmap, error) {
	if len(blob) < 4 {
		return nil, fmt.Errorf("a Precompiled normalizer of %d bytes is cut short", len(blob))
	}
	n := binary.LittleEndian.Uint32(blob)
	blob = blob[4:]
	if uint64(n) > uint64(len(blob)) || n%4 != 0 || n == 0 {
		return nil, fmt.Errorf("a Precompiled normalizer says that %d of its %d bytes are a table", n, len(blob))
	}
	m := &charsmap{units: make([]uint32, n/4), texts: blob[n:]}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(blob[4*i:])
	}
	if !utf8.Valid(m.texts) {
		return nil, fmt.Errorf("a Precompiled normalizer has replacements that are not UTF-8")
	}
	longest := 0
	for text := range bytes.SplitSeq(m.texts, []byte{0}) {
		longest = max(longest, len(text))
	}
	if longest > maxReplacement {
		return nil, fmt.Errorf("a Precompiled normalizer has a replacement of %d bytes: at most %d are taken", longest, maxReplacement)
	}
	return m, grow(growth, longest)
}

// lookup returns what the shortest known start of s becomes: not the longest, as one would think.
func (m *charsmap) lookup(s string) (to []byte, ok bool) {
	at := m.units[0]
	pos := offset(at)
	for i := range len(s) {
		if s[i] == 0 {
			break
		}
		pos ^= uint32(s[i])
		if int(pos) >= len(m.units) {
			return nil, false
		}
		unit := m.units[pos]
		if unit&(1<<31|0xff) != uint32(s[i]) {
			return nil, false
		}
		pos ^= offset(unit)
		if int(pos) >= len(m.units) {
			return nil, false
		}
		if unit>>8&1 == 1 {
			from := m.units[pos] &^ (1 << 31)
			if int(from) >= len(m.texts) {
				return nil, true
			}
			to, _, _ = bytes.Cut(m.texts[from:], []byte{0})
			return to, true
		}
	}
	return nil, false
}

// offset returns how far a unit's children are, as the double arrays of Darts-clone store it.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

func (m *charsmap) normalize(s string) string {
	var out []byte
	for len(s) > 0 {
		n := grapheme(s)
		if n <= maxGraphemeBytes {
			if to, ok := m.lookup(s[:n]); ok {
				out = append(out, to...)
				s = s[n:]
				continue
			}
		}
		for i := 0; i < n; {
			_, size := utf8.DecodeRuneInString(s[i:])
			c := s[i : i+size]
			if to, ok := m.lookup(c); ok {
				out = append(out, to...)
			} else {
				out = append(out, c...)
			}
			i += size
		}
		s = s[n:]
	}
	return string(out)
}

// grapheme returns how long the grapheme cluster is that s starts with, exactly so where that is at most
// maxGraphemeBytes: a jamo, a flag or an emoji that joins another makes it longer, and what is longer is looked up by the
// character, so those rules are left out.
func grapheme(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == '\r' && n < len(s) && s[n] == '\n' {
		return n + 1
	}
	if graphemeBreaks(r) {
		return n
	}
	prepends := unicode.Is(unicode.Prepended_Concatenation_Mark, r)
	for n < len(s) {
		next, size := utf8.DecodeRuneInString(s[n:])
		if graphemeBreaks(next) || !prepends && !graphemeExtends(next) {
			break
		}
		prepends = prepends && unicode.Is(unicode.Prepended_Concatenation_Mark, next)
		n += size
	}
	return n
}

// graphemeBreaks reports the characters that stand alone.
func graphemeBreaks(r rune) bool {
	const nonJoiner, joiner = 0x200c, 0x200d
	return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) || unicode.Is(unicode.Cf, r) && r != nonJoiner && r != joiner &&
		!unicode.In(r, unicode.Prepended_Concatenation_Mark, unicode.Other_Grapheme_Extend) && (r < 0xe0020 || r > 0xe007f)
}

func graphemeExtends(r rune) bool {
	if r < 0x300 {
		return false
	}
	const joiner, firstTone, lastTone = 0x200d, 0x1f3fb, 0x1f3ff // skin tones
	return unicode.In(r, unicode.M, unicode.Other_Grapheme_Extend) || r == joiner || r >= firstTone && r <= lastTone ||
		r >= 0xe0020 && r <= 0xe007f || r == 0xe33 || r == 0xeb3
}
