package token

import "unicode/utf8"

// The patterns that DeepSeek's files split by, one behind the other. They leave places that none matches.
const (
	patternNumbers  = `\p{N}{1,3}`
	patternCJK      = `[一-龥぀-ゟ゠-ヿ]+`
	patternDeepSeek = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|" +
		" ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)

// knownFinder returns what finds a well-known pattern faster than package regexp, or nil.
func knownFinder(pattern string) finder {
	switch pattern {
	case patternNumbers:
		return findWords(func(s string, at int) int { return numbers(s, at, 3) })
	case patternCJK:
		return findWords(cjkWord)
	case patternDeepSeek:
		return findWords(deepseekWord)
	}
	if w := knownWords(pattern); w != nil {
		return findWords(w)
	}
	return nil
}

// findWords looks for the first place where w matches more than nothing.
func findWords(w words) finder {
	return func(s string, at int) (int, int) {
		for at < len(s) {
			if end := w(s, at); end > at {
				return at, end
			}
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
		}
		return -1, -1
	}
}

func cjkWord(s string, at int) int {
	for at < len(s) {
		r, n := utf8.DecodeRuneInString(s[at:])
		if (r < 0x4e00 || r > 0x9fa5) && (r < 0x3040 || r > 0x30ff) {
			break
		}
		at += n
	}
	return at
}

func deepseekWord(s string, at int) int {
	c, n := classAt(s, at)
	if c == sign && n == 1 {
		end := at + 1
		for end < len(s) && 'a' <= s[end]|0x20 && s[end]|0x20 <= 'z' {
			end++
		}
		if end > at+1 {
			return end
		}
	}
	inWord := func(c class) bool { return c.isLetter() || c == mark }
	if c == other || c == space || c == number || c == mark {
		if end := skip(s, at+n, inWord); end > at+n {
			return end
		}
	}
	if inWord(c) {
		return skip(s, at, inWord)
	}
	from := at
	if s[at] == ' ' {
		from++
	}
	if end := skip(s, from, func(c class) bool { return c == sign }); end > from {
		return skip(s, end, func(c class) bool { return c == newline })
	}
	if c.isSpace() {
		return lines(s, at)
	}
	return at
}
