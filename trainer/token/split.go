package token

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitter gives the pieces of a piece to next. First says that a piece starts the text.
type splitter func(piece string, first bool, next func(string, bool))

// splitters appends what part p of a file says; byteLevel is set by a ByteLevel, which must be the last.
func splitters(dst []splitter, p *part, byteLevel *bool) ([]splitter, error) {
	if p == nil {
		return dst, nil
	}
	if *byteLevel {
		return nil, fmt.Errorf("a pre-tokenizer behind ByteLevel is not implemented")
	}
	switch p.Type {
	case "Sequence":
		for i := range p.Pretokenizers {
			var err error
			if dst, err = splitters(dst, &p.Pretokenizers[i], byteLevel); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case "ByteLevel":
		*byteLevel = true
		if p.AddPrefixSpace == nil || *p.AddPrefixSpace {
			dst = append(dst, prefixSpace)
		}
		if p.UseRegex == nil || *p.UseRegex {
			dst = append(dst, splitAll(gpt2Word))
		}
		return dst, nil
	case "Split":
		return p.appendSplit(dst)
	case "Whitespace":
		return append(dst, splitWhitespace), nil
	case "WhitespaceSplit":
		return append(dst, splitRunes(unicode.IsSpace, removed)), nil
	case "BertPreTokenizer":
		return append(dst, splitRunes(unicode.IsSpace, removed), splitRunes(isPunctuation, isolated)), nil
	case "Punctuation":
		b, err := parseBehavior(p.Behavior, isolated)
		if err != nil {
			return nil, err
		}
		return append(dst, splitRunes(isPunctuation, b)), nil
	case "Digits":
		if p.IndividualDigits {
			return append(dst, splitRunes(unicode.IsNumber, isolated)), nil
		}
		return append(dst, splitRunes(unicode.IsNumber, contiguous)), nil
	case "Metaspace":
		return p.appendMetaspace(dst)
	}
	return nil, unknownPart("pre-tokenizer", p.Type)
}

func (p *part) appendSplit(dst []splitter) ([]splitter, error) {
	b, err := parseBehavior(p.Behavior, -1)
	if err != nil {
		return nil, err
	}
	if p.Pattern.Regex != nil && (b == isolated && !p.Invert || b == removed && p.Invert) {
		if w := knownWords(*p.Pattern.Regex); w != nil {
			return append(dst, splitAll(w)), nil
		}
	}
	find, err := p.finder()
	if err != nil {
		return nil, err
	}
	return append(dst, splitBy(find, b, p.Invert)), nil
}

func (p *part) appendMetaspace(dst []splitter) ([]splitter, error) {
	rep := p.Replacement
	if utf8.RuneCountInString(rep) != 1 {
		return nil, fmt.Errorf("a Metaspace with the replacement %.40q is not taken", rep)
	}
	scheme, err := p.prependScheme()
	if err != nil {
		return nil, err
	}
	dst = append(dst, func(piece string, first bool, next func(string, bool)) {
		piece = strings.ReplaceAll(piece, " ", rep)
		if (scheme == "always" || scheme == "first" && first) && !strings.HasPrefix(piece, rep) {
			piece = rep + piece
		}
		next(piece, first)
	})
	if p.Split != nil && !*p.Split {
		return dst, nil
	}
	r, _ := utf8.DecodeRuneInString(rep)
	return append(dst, splitRunes(func(c rune) bool { return c == r }, mergedWithNext)), nil
}

// prependScheme returns when a Metaspace puts its replacement before a piece: always, first or never.
func (p *part) prependScheme() (string, error) {
	scheme := "always"
	if p.PrependScheme != nil {
		scheme = *p.PrependScheme
	}
	if p.AddPrefixSpace != nil && !*p.AddPrefixSpace {
		scheme = "never"
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return "", fmt.Errorf("the prepend_scheme %.40q is not implemented", scheme)
	}
	return scheme, nil
}

func prefixSpace(piece string, first bool, next func(string, bool)) {
	if !strings.HasPrefix(piece, " ") {
		piece = " " + piece
	}
	next(piece, first)
}

func splitAll(w words) splitter {
	return func(piece string, first bool, next func(string, bool)) {
		for at := 0; at < len(piece); {
			end := w(piece, at)
			next(piece[at:end], first && at == 0)
			at = end
		}
	}
}

// splitWhitespace keeps runs of word characters and runs of what is neither word nor space.
func splitWhitespace(piece string, first bool, next func(string, bool)) {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	start, was := 0, 0
	for i, r := range piece {
		k := kind(r)
		if k == was {
			continue
		}
		if was != 0 {
			next(piece[start:i], first && start == 0)
		}
		start, was = i, k
	}
	if was != 0 {
		next(piece[start:], first && start == 0)
	}
}

func isPunctuation(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && (r == '_' || !isWord(r))
	}
	return unicode.IsPunct(r)
}
