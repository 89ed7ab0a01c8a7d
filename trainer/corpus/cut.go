package corpus

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

const (
	// cutWindow is the text on either side of a cut that shows whether the tokenizer cuts there too. Tokens reach less far: the
	// longest of 29 published tokenizers has 256 bytes, which are spaces.
	cutWindow = 512
	// maxCutTries bounds the places that are looked at for one cut; in running text the first serves.
	maxCutTries = 32
)

// cutter cuts long texts where their tokens are those of the whole.
type cutter struct {
	tokenizer Tokenizer
	one, two  []int32
}

// seam is where a text is cut.
type seam struct {
	end, next int // where the first piece ends and the next begins
	skip      int // tokens of the next piece, its first ones, that the whole text does not have
}

// cut returns the end of a text up to MaxPiece, or the last of the places tried at which both pieces give the tokens of the whole.
// Tokenizers such as Llama 2's put a space before every text: so a space between the pieces belongs to neither, or the token of the one
// that was put there is skipped. A text in which no place serves, such as one word without end, is cut between two letters.
func (c *cutter) cut(text string) seam {
	if len(text) <= MaxPiece {
		return seam{end: len(text), next: len(text)}
	}
	for _, fits := range []func(text string, i int) bool{betweenWords, isRuneStart} {
		tries := 0
		for i := MaxPiece - cutWindow; i > MaxPiece/2 && tries < maxCutTries; i-- {
			if !fits(text, i) {
				continue
			}
			tries++
			for _, s := range []seam{{end: i, next: i}, {end: i, next: i + 1}, {end: i, next: i, skip: 1}} {
				if (s.next == i || text[i] == ' ') && c.same(text, s) {
					return s
				}
			}
		}
	}
	i := MaxPiece
	for i > MaxPiece-utf8.UTFMax && !utf8.RuneStart(text[i]) {
		i--
	}
	return seam{end: i, next: i}
}

// same reports whether the text around a cut has the tokens that its halves have.
func (c *cutter) same(text string, s seam) bool {
	from, to := s.end-cutWindow, s.next+cutWindow
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	to = min(to, len(text))
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to++
	}
	c.one = c.tokenizer.Append(c.one[:0], text[from:to])
	c.two = c.tokenizer.Append(c.two[:0], text[from:s.end])
	n := len(c.two)
	c.two = c.tokenizer.Append(c.two, text[s.next:to])
	return slices.Equal(c.one, slices.Delete(c.two, n, min(n+s.skip, len(c.two))))
}

// betweenWords reports a place between a letter and a space that a letter follows: no pattern in use joins these.
func betweenWords(text string, i int) bool {
	if text[i] != ' ' {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	behind, _ := utf8.DecodeRuneInString(text[i+1:])
	return unicode.IsLetter(before) && unicode.IsLetter(behind)
}

func isRuneStart(text string, i int) bool { return utf8.RuneStart(text[i]) }
