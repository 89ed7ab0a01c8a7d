package token

import (
	"unicode"
	"unicode/utf8"
)

// words returns where the token of a well-known split pattern that starts at s[at:] ends; at is below len(s). These
// patterns leave nothing between their matches, and look ahead, which package regexp does not.
type words func(s string, at int) int

// The patterns that have a function here, as files write them.
const (
	patternGPT2   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternLlama  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternO200k  = ahead + starts + `*` + goesOn + `+` + endings + `|` + ahead + starts + `+` + goesOn + `*` + endings + `|\p{N}{1,3}` + o200kTail
	patternTekken = ahead + starts + `*` + goesOn + `+|` + ahead + starts + `+` + goesOn + `*|\p{N}` + o200kTail

	ahead     = `[^\r\n\p{L}\p{N}]?`
	starts    = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	goesOn    = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	endings   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
	o200kTail = `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// knownWords returns the function of a well-known pattern, or nil.
func knownWords(pattern string) words {
	switch pattern {
	case patternGPT2:
		return gpt2Word
	case patternLlama:
		return func(s string, at int) int { return llamaWord(s, at, 3) }
	case patternQwen:
		return func(s string, at int) int { return llamaWord(s, at, 1) }
	case patternO200k:
		return func(s string, at int) int { return o200kWord(s, at, contraction, 3) }
	case patternTekken:
		return func(s string, at int) int {
			return o200kWord(s, at, func(string, bool) int { return 0 }, 1)
		}
	}
	return nil
}

// class says which of the patterns' character classes a character is in.
type class uint8

const (
	other class = iota
	sign        // punctuation or a symbol
	space
	newline // a space too
	number
	upper // letters: Lu and Lt
	lower // Ll
	caseless
	mark // not a letter
)

func (c class) isLetter() bool { return c >= upper && c <= caseless }
func (c class) isSpace() bool  { return c == space || c == newline }

// isOther reports [^\s\p{L}\p{N}].
func (c class) isOther() bool { return c == other || c == sign || c == mark }

// ahead reports what may stand before a word: [^\r\n\p{L}\p{N}].
func (c class) ahead() bool { return c == other || c == sign || c == space || c == mark }

// starts reports [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}].
func (c class) starts() bool { return c == upper || c == caseless || c == mark }

// goesOn reports [\p{Ll}\p{Lm}\p{Lo}\p{M}].
func (c class) goesOn() bool { return c == lower || c == caseless || c == mark }

// classAt returns the class of the character at s[at] and its length; at the end of s the length is 0.
func classAt(s string, at int) (class, int) {
	if at >= len(s) {
		return other, 0
	}
	c := s[at]
	if c >= utf8.RuneSelf {
		r, n := utf8.DecodeRuneInString(s[at:])
		return classOf(r), n
	}
	switch {
	case 'a' <= c && c <= 'z':
		return lower, 1
	case 'A' <= c && c <= 'Z':
		return upper, 1
	case '0' <= c && c <= '9':
		return number, 1
	case c == '\r' || c == '\n':
		return newline, 1
	case c == ' ' || c >= '\t' && c <= '\f':
		return space, 1
	case c > ' ' && c < 0x7f:
		return sign, 1
	}
	return other, 1
}

func classOf(r rune) class {
	switch {
	case unicode.Is(unicode.Ll, r):
		return lower
	case unicode.IsLetter(r):
		if unicode.In(r, unicode.Lm, unicode.Lo) {
			return caseless
		}
		return upper
	case unicode.IsMark(r):
		return mark
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	case unicode.In(r, unicode.P, unicode.S):
		return sign
	}
	return other
}

// skip returns where the characters of a kind that start at s[at] end.
func skip(s string, at int, kind func(class) bool) int {
	for {
		c, n := classAt(s, at)
		if n == 0 || !kind(c) {
			return at
		}
		at += n
	}
}

func gpt2Word(s string, at int) int {
	if n := contraction(s[at:], false); n > 0 {
		return at + n
	}
	from := at
	if s[at] == ' ' {
		from++
	}
	switch c, n := classAt(s, from); {
	case n == 0 || c.isSpace():
		return spaces(s, at)
	case c.isLetter():
		return skip(s, from, class.isLetter)
	case c == number:
		return skip(s, from, func(c class) bool { return c == number })
	}
	return skip(s, from, class.isOther)
}

// llamaWord does what the cl100k, Llama 3 and Qwen patterns say, which differ in the digits that a token may have.
func llamaWord(s string, at, digits int) int {
	if n := contraction(s[at:], true); n > 0 {
		return at + n
	}
	c, n := classAt(s, at)
	if c.isLetter() {
		return skip(s, at, class.isLetter)
	}
	if next, _ := classAt(s, at+n); c.ahead() && next.isLetter() {
		return skip(s, at+n, class.isLetter)
	}
	if c == number {
		return numbers(s, at, digits)
	}
	if end, ok := signs(s, at); ok {
		for end < len(s) && (s[end] == '\r' || s[end] == '\n') {
			end++
		}
		return end
	}
	return lines(s, at)
}

// o200kWord does what the o200k and Tekken patterns say; ending is the length of an ending that is a word's own.
func o200kWord(s string, at int, ending func(s string, fold bool) int, digits int) int {
	c, n := classAt(s, at)
	if c.ahead() {
		if end := o200kLower(s, at+n, ending); end > 0 {
			return end
		}
	}
	if end := o200kLower(s, at, ending); end > 0 {
		return end
	}
	if c.ahead() {
		if end := skip(s, at+n, class.starts); end > at+n {
			return end + ending(s[end:], true)
		}
	}
	if end := skip(s, at, class.starts); end > at {
		return end + ending(s[end:], true)
	}
	if c == number {
		return numbers(s, at, digits)
	}
	if end, ok := signs(s, at); ok {
		for end < len(s) && (s[end] == '\r' || s[end] == '\n' || s[end] == '/') {
			end++
		}
		return end
	}
	return lines(s, at)
}

// o200kLower matches a word that goes on in lower case or in letters that have no case; 0 is no match.
func o200kLower(s string, at int, ending func(s string, fold bool) int) int {
	end, last := at, 0 // last: where the last character that may go on as well as start ends
	for {
		c, n := classAt(s, end)
		if n == 0 || !c.starts() {
			break
		}
		end += n
		if c.goesOn() {
			last = end
		}
	}
	if to := skip(s, end, class.goesOn); to > end {
		last = to
	}
	if last == 0 {
		return 0
	}
	return last + ending(s[last:], true)
}

// contraction returns the length of an English ending such as 'll that s starts with.
func contraction(s string, fold bool) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	a, b := s[1], byte(0)
	if len(s) > 2 {
		b = s[2]
	}
	if fold {
		if a == "ſ"[0] && b == "ſ"[1] { // the long s, which folds to s
			return 3
		}
		a, b = a|0x20, b|0x20
	}
	switch {
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 2
	case (a == 'r' || a == 'v') && b == 'e' || a == 'l' && b == 'l':
		return 3
	}
	return 0
}

// numbers matches \p{N}{1,digits}.
func numbers(s string, at, digits int) int {
	for range digits {
		c, n := classAt(s, at)
		if n == 0 || c != number {
			break
		}
		at += n
	}
	return at
}

// signs matches " ?[^\s\p{L}\p{N}]+".
func signs(s string, at int) (end int, ok bool) {
	if s[at] == ' ' {
		at++
	}
	end = skip(s, at, class.isOther)
	return end, end > at
}

// lines matches `\s*[\r\n]+|\s+(?!\S)|\s+`.
func lines(s string, at int) int {
	last := 0
	for end := at; ; {
		c, n := classAt(s, end)
		if n == 0 || !c.isSpace() {
			break
		}
		end += n
		if c == newline {
			last = end
		}
	}
	if last > 0 {
		return last
	}
	return spaces(s, at)
}

// spaces matches `\s+(?!\S)|\s+`: the last space is left to the word behind it.
func spaces(s string, at int) int {
	end := skip(s, at, class.isSpace)
	if end == len(s) {
		return end
	}
	if _, n := utf8.DecodeLastRuneInString(s[at:end]); end-n > at {
		return end - n
	}
	return end
}
