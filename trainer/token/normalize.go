package token

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a stretch of text before it is split.
type normalizer func(string) string

// normalizers appends what part p of a file says. Each that can make a text longer multiplies *growth.
func normalizers(dst []normalizer, p *part, growth *int) ([]normalizer, error) {
	if p == nil {
		return dst, nil
	}
	switch p.Type {
	case "Sequence":
		for i := range p.Normalizers {
			var err error
			if dst, err = normalizers(dst, &p.Normalizers[i], growth); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case "NFC":
		return append(dst, norm.NFC.String), nil
	case "NFD":
		return append(dst, norm.NFD.String), nil
	case "NFKC":
		return append(dst, norm.NFKC.String), nil
	case "NFKD":
		return append(dst, norm.NFKD.String), nil
	case "Lowercase":
		return append(dst, lowercase), nil
	case "StripAccents":
		return append(dst, func(s string) string { return without(s, unicode.M) }), nil
	case "Nmt":
		return append(dst, nmt), nil
	case "Strip":
		return append(dst, func(s string) string {
			if p.StripLeft {
				s = strings.TrimLeftFunc(s, unicode.IsSpace)
			}
			if p.StripRight {
				s = strings.TrimRightFunc(s, unicode.IsSpace)
			}
			return s
		}), nil
	case "Prepend":
		if len(p.Prepend) > maxContent {
			return nil, fmt.Errorf("a Prepend of %d bytes: at most %d are taken", len(p.Prepend), maxContent)
		}
		return append(dst, func(s string) string {
			if s == "" {
				return s
			}
			return p.Prepend + s
		}), nil
	case "Replace":
		r, err := newReplacer(p, growth)
		if err != nil {
			return nil, err
		}
		return append(dst, r), nil
	case "BertNormalizer":
		return append(dst, newBertNormalizer(p)...), nil
	case "Precompiled":
		m, err := newCharsmap(p.PrecompiledCharsmap, growth)
		if err != nil {
			return nil, err
		}
		return append(dst, m.normalize), nil
	case "ByteLevel":
		return append(dst, func(s string) string {
			buf := make([]byte, 0, 2*len(s))
			for i := range len(s) {
				buf = appendByteLevel(buf, s[i])
			}
			return string(buf)
		}), nil
	}
	return nil, unknownPart("normalizer", p.Type)
}

// newReplacer returns a function that replaces a pattern, for normalizers and decoders.
func newReplacer(p *part, growth *int) (func(string) string, error) {
	if p.Content == nil || len(*p.Content) > maxContent {
		return nil, fmt.Errorf("a Replace without content, or with more than %d bytes of it, is not taken", maxContent)
	}
	content := *p.Content
	find, err := p.finder()
	if err != nil {
		return nil, err
	}
	shortest := 0
	if p.Pattern.String != nil {
		shortest = len(*p.Pattern.String)
	}
	if err := grow(growth, 1+len(content)/max(shortest, 1)); err != nil {
		return nil, err
	}
	return func(s string) string {
		var b strings.Builder
		done := 0
		for done < len(s) {
			from, to := find(s, done)
			if from < 0 {
				break
			}
			b.WriteString(s[done:from])
			b.WriteString(content)
			done = to
		}
		if done == 0 {
			return s
		}
		b.WriteString(s[done:])
		return b.String()
	}, nil
}

// lowercase maps each character by itself, as a final sigma shows; one of them becomes two.
func lowercase(s string) string {
	if strings.ContainsRune(s, 'İ') {
		s = strings.ReplaceAll(s, "İ", "i\u0307")
	}
	return strings.Map(unicode.ToLower, s)
}

// without drops the characters of a table.
func without(s string, table *unicode.RangeTable) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 && unicode.Is(table, r) {
			return -1
		}
		return r
	}, s)
}

// nmt drops control characters and makes other invisible ones spaces.
func nmt(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x1 && r <= 0x8, r == 0xb, r >= 0xe && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			return -1
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, r >= 0x200b && r <= 0x200f, r == 0x2028,
			r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			return ' '
		}
		return r
	}, s)
}
