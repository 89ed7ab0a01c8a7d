package corpus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/murmurnet/murmur/proto"
)

const (
	// MaxPiece is the most text that is tokenized, and held out or not, as one; longer documents are cut, see [cutter].
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
	goesOn   bool   // the first document began in an earlier block
	skip     int    // its tokens here that are not of the document, see [seam]
	open     bool   // the last document goes on in the next block
	line     int    // the number of the first line
	item     string // what one of raw's lines was in the file: "line" or "item"
	long     []int  // the numbers of those that were too long, and are empty here
	consumed int64  // bytes of the file that reading this took
	err      error  // why nothing follows
	doubtful error  // why something in it is no text

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
	Replaced  uint64 `json:"replaced"`               // bytes that are not UTF-8
	Empty     uint64 `json:"empty"`                  // documents without text
	NoKey     string `json:"no_key_first,omitempty"` // the first of them that lacks the key of its text
	Passed    uint64 `json:"passed_over"`            // lines and files that could not be read
	Why       string `json:"why_first,omitempty"`    // the first of them was passed over
}

func (c *counts) add(o counts) {
	c.Documents += o.Documents
	c.TextBytes += o.TextBytes
	c.Replaced += o.Replaced
	c.Empty += o.Empty
	if c.NoKey == "" {
		c.NoKey = o.NoKey
	}
	c.Passed += o.Passed
	if c.Why == "" {
		c.Why = o.Why
	}
}

// pass counts a line or a file that could not be read.
func (b *block) pass(why error) {
	b.add(counts{Passed: 1, Why: why.Error()})
	b.doubt(why)
}

// doubt remembers the first reason for which the block may hold no text.
func (b *block) doubt(why error) {
	if b.doubtful == nil {
		b.doubtful = why
	}
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
	*b = block{raw: raw, tokens: tokens, ends: b.ends[:0], long: b.long[:0], pieces: b.pieces[:0], done: b.done}
}

// worker turns blocks into tokens.
type worker struct {
	tokenizer  Tokenizer
	column     string
	begin, end []int32 // what stands around a document
	strict     bool    // a line that cannot be read ends all
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
		w.document(b, string(b.raw[start:end]), i > 0 || !b.goesOn, i+1 < len(b.ends) || !b.open)
		b.skip = 0
		start = end
	}
}

// document adds the tokens of a document, or of a part of one that is not its first or its last.
func (w worker) document(b *block, text string, first, last bool) {
	if text == "" && first && last {
		b.Empty++
		return
	}
	c, skip := cutter{tokenizer: w.tokenizer}, b.skip
	for text != "" {
		s := c.cut(text)
		part := text[:s.end]
		text = text[s.next:]
		if !utf8.ValidString(part) {
			var bad int
			part, bad = repaired(part)
			b.Replaced += uint64(bad)
		}
		b.TextBytes += uint64(len(part))
		if first {
			b.tokens, first = append(b.tokens, w.begin...), false
		}
		n := len(b.tokens)
		b.tokens = w.tokenizer.Append(b.tokens, part)
		b.tokens = slices.Delete(b.tokens, n, min(n+skip, len(b.tokens)))
		skip = s.skip
		if text == "" && last {
			b.tokens = append(b.tokens, w.end...)
			b.Documents++
		}
		b.pieces = append(b.pieces, piece{proto.Sum([]byte(part)), len(b.tokens)})
	}
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
		if line = bytes.TrimSpace(line); len(line) > 0 || slices.Contains(b.long, number) {
			if !utf8.Valid(line) {
				fixed, bad := repaired(string(line))
				line = []byte(fixed)
				b.Replaced += uint64(bad)
			}
			text, err := member(line, w.column)
			if len(line) == 0 {
				err = fmt.Errorf("longer than %d MiB", MaxLine>>20)
			}
			if err != nil {
				err = fmt.Errorf("%s, %s %d: %w", b.file.name, b.item, number, err)
			}
			switch {
			case err == nil:
				w.document(b, text, true, true)
			case w.strict:
				return err
			case errors.Is(err, errNoKey): // null, as in datasets 5.2 and polars 2.1
				b.add(counts{Empty: 1, NoKey: err.Error()})
				b.doubt(err)
			default:
				b.pass(err)
			}
		}
		number++
	}
	return nil
}

// errNoKey says that an object lacks the key that holds the text.
var errNoKey = errors.New("no key")

// member is the text under a key of a JSON object; null is no text. What stands under other keys is not judged.
func member(line []byte, key string) (string, error) {
	var object map[string]json.RawMessage
	err := json.Unmarshal(line, &object)
	if err != nil {
		err = json.Unmarshal(withoutNaN(line), &object)
	}
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return "", fmt.Errorf("not JSON: %w", err)
		}
		return "", errors.New("not a JSON object")
	}
	value, ok := object[key]
	if !ok {
		return "", fmt.Errorf("%w %q; choose the one that holds the text with --column", errNoKey, key)
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return "", fmt.Errorf("%q is not a text; choose the key that holds one with --column", key)
	}
	return text, nil
}

// withoutNaN puts null in the place of the numbers that JSON has no word for, which Python's library writes.
func withoutNaN(line []byte) []byte {
	out := make([]byte, 0, len(line))
	quoted := false
	for i := 0; i < len(line); i++ {
		if !quoted {
			if n := numberWord(line[i:]); n > 0 {
				out = append(out, "null"...)
				i += n - 1
				continue
			}
		}
		out = append(out, line[i])
		switch {
		case quoted && line[i] == '\\' && i+1 < len(line):
			i++
			out = append(out, line[i])
		case line[i] == '"':
			quoted = !quoted
		}
	}
	return out
}

func numberWord(s []byte) int {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(s, []byte(word)) {
			return len(word)
		}
	}
	return 0
}
