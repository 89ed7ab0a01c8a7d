package token

import (
	"runtime"
	"unicode/utf8"
)

// Tokenizer turns text into ids and back. It is safe for concurrent use.
type Tokenizer struct {
	entries   []entry // by id
	own       int     // ids that are not of added tokens alone
	added     *matcher
	addedNorm *matcher // matched against normalized text
	normal    []normalizer
	splits    []splitter
	byteLevel bool // pieces reach the model with their bytes spelled as byteLevelRune does
	model     model
	decoder   []func() step
	begin     int32   // -1: none
	ends      []int32 // the first stands behind a document
	idle      chan *worker
}

// entry is what is known of one id.
type entry struct {
	text    string
	known   bool
	special bool
}

// model turns one piece of text into ids.
type model interface {
	encode(dst []int32, piece string, w *worker) []int32
}

// Bytes returns a tokenizer whose tokens are the 256 bytes. It takes any text, valid UTF-8 or not. A document ends with
// the zero byte: bytes have no id to spare, and no text holds that one.
func Bytes() *Tokenizer {
	t := &Tokenizer{entries: make([]entry, 256), own: 256, begin: -1, ends: []int32{0}, decoder: []func() step{newByteLevelStep}}
	for i := range t.entries {
		t.entries[i] = entry{text: string(byteLevelRune(byte(i))), known: true}
	}
	return t
}

// Vocab returns one more than the highest id that the tokenizer gives.
func (t *Tokenizer) Vocab() int { return len(t.entries) }

// Begin returns the token that the file's post-processor puts before a text.
func (t *Tokenizer) Begin() (id int32, ok bool) { return t.begin, t.begin >= 0 }

// End returns the token that stands behind a document.
func (t *Tokenizer) End() (id int32, ok bool) {
	if len(t.ends) == 0 {
		return -1, false
	}
	return t.ends[0], true
}

// Ends returns every token that ends a text, that of [Tokenizer.End] first: models of conversations have several.
func (t *Tokenizer) Ends() []int32 { return t.ends }

// Append appends the ids of text to dst. No special tokens are put around it; those that text spells out are found. What
// is not UTF-8 in text is taken for U+FFFD, save by [Bytes].
func (t *Tokenizer) Append(dst []int32, text string) []int32 {
	if t.model == nil {
		for i := range len(text) {
			dst = append(dst, int32(text[i]))
		}
		return dst
	}
	if !utf8.ValidString(text) {
		text = string(appendValid(nil, []byte(text)))
	}
	var w *worker
	select {
	case w = <-t.idle:
	default:
		w = newWorker(t)
	}
	dst = w.append(dst, text)
	select {
	case t.idle <- w:
	default:
	}
	return dst
}

// Decode returns the text of ids. Special tokens and ids that are not of the vocabulary are left out; bytes that are not
// UTF-8 become U+FFFD.
func (t *Tokenizer) Decode(ids []int32) string {
	s := t.Stream()
	for _, id := range ids {
		s.push(id)
	}
	return s.Flush()
}

// idleWorkers is how many workers with their caches are kept between calls of Append.
func idleWorkers() int { return runtime.GOMAXPROCS(0) }
