package token

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// step is one decoder at work: it takes tokens and gives out tokens, as soon as it knows them.
type step interface {
	push(tok string, out func(string))
	flush(out func(string))
}

// decoders appends what part p of a file says. Joined is set when all tokens have become one text.
func decoders(dst []func() step, p *part, growth *int, joined *bool) ([]func() step, error) {
	if p.Type == "Sequence" {
		for i := range p.Decoders {
			var err error
			if dst, err = decoders(dst, &p.Decoders[i], growth, joined); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	if p.Type == "Fuse" {
		*joined = true
		return dst, nil
	}
	if p.Type == "Strip" && p.Stop == 0 && *joined {
		return append(dst, func() step { return &stripText{content: contentOf(p), left: p.Start} }), nil
	}
	perRune := p.Type == "Replace" && p.Pattern.String != nil && utf8.RuneCountInString(*p.Pattern.String) == 1
	if *joined && !perRune { // what comes behind needs the text whole
		dst = append(dst, func() step { return &gather{} })
	}
	switch p.Type {
	case "Replace":
		replace, err := newReplacer(p, growth)
		if err != nil {
			return nil, err
		}
		return append(dst, func() step { return each(replace) }), nil
	case "Strip":
		content, start, stop := contentOf(p), p.Start, p.Stop
		return append(dst, func() step {
			return each(func(tok string) string { return strip(tok, content, start, stop) })
		}), nil
	case "ByteLevel":
		*joined = true
		return append(dst, newByteLevelStep), nil
	case "ByteFallback":
		return append(dst, func() step { return &byteFallback{} }), nil
	case "Metaspace":
		if utf8.RuneCountInString(p.Replacement) != 1 {
			return nil, fmt.Errorf("a Metaspace with the replacement %.40q is not taken", p.Replacement)
		}
		scheme, err := p.prependScheme()
		if err != nil {
			return nil, err
		}
		return append(dst, func() step { return &metaspace{p.Replacement, scheme != "never"} }), nil
	case "WordPiece":
		clean := p.Cleanup == nil || *p.Cleanup
		return append(dst, func() step { return &wordPieces{prefix: p.Prefix, clean: clean} }), nil
	case "BPEDecoder":
		if p.Suffix == "" {
			return nil, fmt.Errorf("a BPEDecoder without a suffix is not taken")
		}
		return append(dst, func() step { return &suffixes{suffix: p.Suffix} }), nil
	}
	return nil, unknownPart("decoder", p.Type)
}

func contentOf(p *part) string {
	if p.Content == nil {
		return ""
	}
	return *p.Content
}

// each is a decoder that rewrites every token by itself.
type each func(string) string

func (e each) push(tok string, out func(string)) { out(e(tok)) }
func (e each) flush(func(string))                {}

// strip cuts at most start and stop times content from the ends of a token.
func strip(tok, content string, start, stop int) string {
	if content == "" {
		return tok
	}
	for ; start > 0 && strings.HasPrefix(tok, content); start-- {
		tok = tok[len(content):]
	}
	for ; stop > 0 && strings.HasSuffix(tok, content); stop-- {
		tok = tok[:len(tok)-len(content)]
	}
	return tok
}

// stripText cuts content, one character, from the start of the text.
type stripText struct {
	content string
	left    int
}

func (s *stripText) push(tok string, out func(string)) {
	for s.left > 0 && tok != "" {
		rest, ok := strings.CutPrefix(tok, s.content)
		if !ok || s.content == "" {
			s.left = 0
			break
		}
		tok = rest
		s.left--
	}
	out(tok)
}
func (s *stripText) flush(func(string)) {}

// gather joins the tokens.
type gather struct{ text []byte }

func (g *gather) push(tok string, _ func(string)) { g.text = append(g.text, tok...) }
func (g *gather) flush(out func(string))          { out(string(g.text)) }

// spaced puts spaces between tokens, as without a decoder.
type spaced struct{ going bool }

func (s *spaced) push(tok string, out func(string)) {
	if s.going {
		tok = " " + tok
	}
	s.going = true
	out(tok)
}
func (s *spaced) flush(func(string)) {}

// byteLevel turns the characters that spell bytes back into them.
type byteLevel struct{ held []byte }

func newByteLevelStep() step { return &byteLevel{} }

func (b *byteLevel) push(tok string, out func(string)) {
	n := len(b.held)
	for _, r := range tok {
		c, ok := byteLevelByte(r)
		if !ok { // not spelled so: an added token
			b.held = append(b.held[:n], tok...)
			break
		}
		b.held = append(b.held, c)
	}
	whole := len(b.held)
	for i := 1; i < utf8.UTFMax && i <= len(b.held); i++ { // hold back a character that lacks bytes
		if tail := b.held[len(b.held)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= i
			}
			break
		}
	}
	if whole > 0 {
		out(string(appendValid(nil, b.held[:whole])))
		b.held = append(b.held[:0], b.held[whole:]...)
	}
}

func (b *byteLevel) flush(out func(string)) {
	if len(b.held) > 0 {
		out(string(appendValid(nil, b.held)))
	}
}

// byteFallback turns runs of byte tokens into text, or, where they are not UTF-8, each into U+FFFD.
type byteFallback struct{ run []byte }

func (b *byteFallback) push(tok string, out func(string)) {
	if len(tok) == 6 && strings.HasPrefix(tok, "<0x") && tok[5] == '>' {
		if v, err := strconv.ParseUint(tok[3:5], 16, 8); err == nil {
			b.run = append(b.run, byte(v))
			return
		}
	}
	b.flush(out)
	out(tok)
}

func (b *byteFallback) flush(out func(string)) {
	switch {
	case len(b.run) == 0:
		return
	case utf8.Valid(b.run):
		out(string(b.run))
	default:
		for range b.run {
			out("\uFFFD")
		}
	}
	b.run = b.run[:0]
}

// metaspace turns replacements into spaces; in the first token it drops them.
type metaspace struct {
	replacement string
	drop        bool
}

func (m *metaspace) push(tok string, out func(string)) {
	with := " "
	if m.drop {
		with = ""
	}
	m.drop = false
	out(strings.ReplaceAll(tok, m.replacement, with))
}
func (m *metaspace) flush(func(string)) {}

// wordPieces puts spaces before tokens that start a word.
type wordPieces struct {
	prefix string
	clean  bool
	going  bool
}

func (w *wordPieces) push(tok string, out func(string)) {
	if w.going {
		if rest, ok := strings.CutPrefix(tok, w.prefix); ok {
			tok = rest
		} else {
			tok = " " + tok
		}
	}
	w.going = true
	if w.clean {
		for _, r := range [...][2]string{
			{" .", "."},
			{" ?", "?"},
			{" !", "!"},
			{" ,", ","},
			{" ' ", "'"},
			{" n't", "n't"},
			{" 'm", "'m"},
			{" do not", " don't"},
			{" 's", "'s"},
			{" 've", "'ve"},
			{" 're", "'re"},
		} {
			tok = strings.ReplaceAll(tok, r[0], r[1])
		}
	}
	out(tok)
}
func (w *wordPieces) flush(func(string)) {}

// suffixes turns the mark of a word's end into a space, in the last token into nothing.
type suffixes struct {
	suffix string
	held   *string
}

func (s *suffixes) push(tok string, out func(string)) {
	if s.held != nil {
		out(strings.ReplaceAll(*s.held, s.suffix, " "))
	}
	s.held = &tok
}

func (s *suffixes) flush(out func(string)) {
	if s.held != nil {
		out(strings.ReplaceAll(*s.held, s.suffix, ""))
	}
}
