package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/murmurnet/murmur/proto"
)

const (
	// MaxPiece is the most text that is tokenized, and held out or not, as one; longer documents are cut at line ends.
	MaxPiece = 64 << 10
	// MaxLine bounds a line of JSON, which has to be in memory whole.
	MaxLine = 16 << 20

	blockSize = 256 << 10     // bytes that a block gathers before it is worked on
	keepSize  = 8 * blockSize // buffers that grew beyond this are dropped after use
)

// block is a part of a file on its way to tokens. A reader fills the first half, a worker the second.
type block struct {
	file     *file
	raw      []byte // lines of JSON where ends is empty, else text
	ends     []int  // where documents end in raw
	open     bool   // the last document goes on in the next block
	line     int    // the number of the first line
	consumed int64  // bytes of the file that reading this took
	err      error  // why nothing follows

	tokens []int32
	pieces []piece
	counts
	done chan struct{} // holds one value once the worker is done
}

// piece is a document, or a part of a long one.
type piece struct {
	id  proto.ID // of its text
	end int      // in tokens
}

// counts is what there is to say of a corpus at the end.
type counts struct {
	Documents uint64 `json:"documents"`
	TextBytes uint64 `json:"text_bytes"`
	Replaced  uint64 `json:"replaced"` // bytes that are not UTF-8
	Empty     uint64 `json:"empty"`    // documents without text
}

func (c *counts) add(o counts) {
	c.Documents += o.Documents
	c.TextBytes += o.TextBytes
	c.Replaced += o.Replaced
	c.Empty += o.Empty
}

// reset makes a block as good as new.
func (b *block) reset() {
	raw, tokens := b.raw[:0], b.tokens[:0]
	if cap(raw) > keepSize {
		raw = nil
	}
	if cap(tokens) > keepSize/4 {
		tokens = nil
	}
	*b = block{raw: raw, tokens: tokens, ends: b.ends[:0], pieces: b.pieces[:0], done: b.done}
}

// worker turns blocks into tokens.
type worker struct {
	tokenizer Tokenizer
	column    string
	end       []int32
}

func (w worker) work(b *block) {
	if len(b.ends) == 0 {
		if err := w.lines(b); err != nil && b.err == nil {
			b.err = err
		}
		return
	}
	start := 0
	for i, end := range b.ends {
		w.document(b, string(b.raw[start:end]), i+1 < len(b.ends) || !b.open)
		start = end
	}
}

// document adds the tokens of a document, or, unless it is the last, of a part of one.
func (w worker) document(b *block, text string, last bool) {
	if text == "" && last {
		b.Empty++
		return
	}
	for text != "" {
		n := cut(text)
		part := text[:n]
		text = text[n:]
		if !utf8.ValidString(part) {
			var bad int
			part, bad = repaired(part)
			b.Replaced += uint64(bad)
		}
		b.TextBytes += uint64(len(part))
		b.tokens = w.tokenizer.Append(b.tokens, part)
		if text == "" && last {
			b.tokens = append(b.tokens, w.end...)
			b.Documents++
		}
		b.pieces = append(b.pieces, piece{proto.Sum([]byte(part)), len(b.tokens)})
	}
}

// cut is where the first piece of a text ends: all of it, or behind the last line end that fits, or before the last
// space, or between two letters.
func cut(text string) int {
	if len(text) <= MaxPiece {
		return len(text)
	}
	if i := strings.LastIndexByte(text[:MaxPiece], '\n'); i >= 0 {
		return i + 1
	}
	if i := strings.LastIndexByte(text[:MaxPiece], ' '); i > 0 {
		return i
	}
	for n := MaxPiece; n > MaxPiece-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return MaxPiece
}

// repaired puts U+FFFD in the place of each byte that is not UTF-8, and counts them.
func repaired(text string) (string, int) {
	var b strings.Builder
	bad := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			bad++
		}
		b.WriteRune(r)
		i += n
	}
	return b.String(), bad
}

// lines reads JSON objects, one a line.
func (w worker) lines(b *block) error {
	number := b.line
	for line := range bytes.Lines(b.raw) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if !utf8.Valid(line) {
				fixed, bad := repaired(string(line))
				line = []byte(fixed)
				b.Replaced += uint64(bad)
			}
			text, err := member(line, w.column)
			if err != nil {
				return fmt.Errorf("%s, line %d: %w", b.file.name, number, err)
			}
			w.document(b, text, true)
		}
		number++
	}
	return nil
}

// member is the text under a key of a JSON object; null is no text.
func member(line []byte, key string) (string, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return "", fmt.Errorf("not JSON: %w", err)
		}
		return "", errors.New("not a JSON object")
	}
	value, ok := object[key]
	if !ok {
		return "", fmt.Errorf("no key %q; choose the one that holds the text with --column", key)
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return "", fmt.Errorf("%q is not a text; choose the key that holds one with --column", key)
	}
	return text, nil
}
