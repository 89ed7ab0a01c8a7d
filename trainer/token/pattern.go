package token

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// maxPattern bounds a regular expression of a file; the longest known is below 500 bytes.
const maxPattern = 4096

// finder returns the first match in s that starts at or behind at; from is -1 where there is none. No match is empty.
type finder func(s string, at int) (from, to int)

// finder returns what finds the part's pattern.
func (p *part) finder() (finder, error) {
	switch {
	case p.Pattern.String != nil && *p.Pattern.String != "":
		return func(s string, at int) (int, int) {
			i := strings.Index(s[at:], *p.Pattern.String)
			if i < 0 {
				return -1, -1
			}
			return at + i, at + i + len(*p.Pattern.String)
		}, nil
	case p.Pattern.Regex != nil:
		return findRegex(*p.Pattern.Regex)
	}
	return nil, fmt.Errorf("a %s without a pattern is not taken", p.Type)
}

func findRegex(pattern string) (finder, error) {
	if find := knownFinder(pattern); find != nil {
		return find, nil
	}
	return compileFinder(pattern)
}

// compileFinder returns what finds a pattern by package regexp.
func compileFinder(pattern string) (finder, error) {
	re, spaced, err := compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %.80q is not implemented: %w", pattern, err)
	}
	if !spaced {
		return func(s string, at int) (int, int) {
			m := re.FindStringIndex(s[at:])
			if m == nil {
				return -1, -1
			}
			return at + m[0], at + m[1]
		}, nil
	}
	return func(s string, at int) (int, int) {
		m := re.FindStringSubmatchIndex(s[at:])
		if m == nil {
			return -1, -1
		}
		from, to := at+m[0], at+m[1]
		if m[2] >= 0 {
			to = spaces(s, from)
		}
		return from, to
	}, nil
}

// lookahead ends most split patterns. It is the one use of a lookahead that is understood: the alternative before it
// leaves the last space to the word behind, as spaces does.
const lookahead = `|\s+(?!\S)|\s+`

// compile translates a pattern of the Oniguruma library to one of package regexp, with its last alternative in a group
// where it is the lookahead above.
func compile(pattern string) (re *regexp.Regexp, spaced bool, err error) {
	if len(pattern) > maxPattern {
		return nil, false, fmt.Errorf("it is longer than %d bytes", maxPattern)
	}
	head, spaced := strings.CutSuffix(pattern, lookahead)
	out, err := translate(head)
	if err != nil {
		return nil, false, err
	}
	if spaced {
		out += `|([` + spaceRanges + `]+)`
	}
	if re, err = regexp.Compile(out); err != nil {
		if bad := (*syntax.Error)(nil); errors.As(err, &bad) { // the rest would show the pattern again, translated
			err = errors.New(bad.Code.String())
		}
		return nil, false, err
	}
	if re.NumSubexp() > 1 || !spaced && re.NumSubexp() > 0 {
		return nil, false, fmt.Errorf("it has a group that captures")
	}
	if re.MatchString("") {
		return nil, false, fmt.Errorf("it matches nothing at all")
	}
	return re, spaced, nil
}

const (
	spaceRanges = `\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`
	wordRanges  = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}`
)

// translate keeps what both libraries read alike, spells out classes that package regexp has for ASCII alone, and refuses
// the rest.
func translate(pattern string) (string, error) {
	var b strings.Builder
	inClass := false
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\\':
			n, s, err := translateEscape(pattern[i:], inClass)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
			i += n
			continue
		case inClass && (c == '[' || strings.HasPrefix(pattern[i:], "&&")):
			return "", fmt.Errorf("it has a class within a class")
		case c == '[':
			inClass = true
			rest := strings.TrimPrefix(pattern[i+1:], "^")
			if strings.HasPrefix(rest, "]") {
				return "", fmt.Errorf("it has an empty class")
			}
		case c == ']' && inClass:
			inClass = false
		case !inClass && (c == '^' || c == '$'):
			return "", fmt.Errorf("it has the anchor %c", c)
		case !inClass && i > 0 && c == '+' && strings.IndexByte("?*+", pattern[i-1]) >= 0 && (i < 2 || pattern[i-2] != '\\'):
			return "", fmt.Errorf("it has a possessive quantifier")
		}
		_, n := utf8.DecodeRuneInString(pattern[i:])
		b.WriteString(pattern[i : i+n])
		i += n
	}
	return b.String(), nil
}

// translateEscape translates the escape at the start of s, n bytes long.
func translateEscape(s string, inClass bool) (n int, out string, err error) {
	if len(s) < 2 {
		return 0, "", fmt.Errorf("it ends in a backslash")
	}
	set := map[byte]string{'s': spaceRanges, 'd': `\p{Nd}`, 'w': wordRanges}
	switch c := s[1]; {
	case set[c] != "" && inClass:
		return 2, set[c], nil
	case set[c] != "":
		return 2, "[" + set[c] + "]", nil
	case set[c|0x20] != "" && !inClass:
		return 2, "[^" + set[c|0x20] + "]", nil
	case c == 'p' || c == 'P':
		end := strings.IndexByte(s, '}')
		if end < 0 || s[2] != '{' {
			return 0, "", fmt.Errorf("it has a class without a name")
		}
		return end + 1, s[:end+1], nil
	case c == 'u' && len(s) >= 6:
		return 6, `\x{` + s[2:6] + "}", nil
	case strings.IndexByte("rntfvx", c) >= 0, c < utf8.RuneSelf && !isWord(rune(c)):
		return 2, s[:2], nil
	}
	return 0, "", fmt.Errorf("it has the escape %q", s[:2])
}
