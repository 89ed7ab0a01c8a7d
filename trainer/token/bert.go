package token

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// newBertNormalizer returns the steps that BERT's text goes through.
func newBertNormalizer(p *part) []normalizer {
	var steps []normalizer
	if p.CleanText == nil || *p.CleanText {
		steps = append(steps, bertClean)
	}
	if p.HandleChineseChars == nil || *p.HandleChineseChars {
		steps = append(steps, bertChinese)
	}
	lower := p.Lowercase == nil || *p.Lowercase
	if p.StripAccents == nil && lower || p.StripAccents != nil && *p.StripAccents {
		steps = append(steps, func(s string) string { return without(norm.NFD.String(s), unicode.Mn) })
	}
	if lower {
		steps = append(steps, lowercase)
	}
	return steps
}

func bertClean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r == 0xfffd || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
}

// bertChinese puts spaces round each ideograph, which is a word to BERT.
func bertChinese(s string) string {
	if strings.IndexFunc(s, isIdeograph) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isIdeograph(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isIdeograph lists blocks as the reference does, 2B820 to 2B91F left out with it.
func isIdeograph(r rune) bool {
	return r >= 0x3400 && (r <= 0x4dbf || r >= 0x4e00 && r <= 0x9fff || r >= 0xf900 && r <= 0xfaff ||
		r >= 0x20000 && r <= 0x2a6df || r >= 0x2a700 && r <= 0x2b81f || r >= 0x2b920 && r <= 0x2ceaf ||
		r >= 0x2f800 && r <= 0x2fa1f)
}
