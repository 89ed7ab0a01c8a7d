package token

import "unicode/utf8"

// byteLevelRune returns the printable character that byte-level vocabularies write for a byte: itself where it is
// printable in Latin-1, and else the next free one from U+0100 on.
func byteLevelRune(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b >= 0x7f && b <= 0xa0:
		return 0x121 + rune(b-0x7f)
	case b == 0xad:
		return 0x143
	}
	return rune(b)
}

// byteLevelByte is the inverse of byteLevelRune.
func byteLevelByte(r rune) (b byte, ok bool) {
	switch {
	case r >= 0x100 && r <= 0x120:
		b = byte(r - 0x100)
	case r >= 0x121 && r <= 0x142:
		b = byte(r-0x121) + 0x7f
	case r == 0x143:
		b = 0xad
	case r >= 0 && r <= 0xff:
		b = byte(r)
	default:
		return 0, false
	}
	return b, byteLevelRune(b) == r
}

func appendByteLevel(dst []byte, b byte) []byte { return utf8.AppendRune(dst, byteLevelRune(b)) }

// appendValid appends src with each maximal part that is not UTF-8 replaced by U+FFFD, one for a character cut short.
func appendValid(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		if r == utf8.RuneError && n == 1 {
			n = broken(src)
		}
		dst = utf8.AppendRune(dst, r)
		src = src[n:]
	}
	return dst
}

// broken returns how many bytes at the start of src begin a character that does not go on.
func broken(src []byte) int {
	n := 1
	for n < len(src) && n < utf8.UTFMax && !utf8.FullRune(src[:n]) {
		if utf8.FullRune(src[:n+1]) {
			if r, _ := utf8.DecodeRune(src[:n+1]); r == utf8.RuneError {
				break
			}
		}
		n++
	}
	return n
}
