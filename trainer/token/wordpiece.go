package token

import (
	"fmt"
	"unicode/utf8"
)

const (
	defaultWordChars = 100
	maxWordChars     = 1 << 10 // a file may not ask for longer words: the work on one is its square
)

// wordPiece takes the longest token that a word starts with, and then the longest that goes on.
type wordPiece struct {
	vocab    map[string]int32
	unk      int32
	prefix   string // of tokens that do not start a word
	maxChars int
}

func newWordPiece(f *modelFile, vocab map[string]int32) (*wordPiece, error) {
	m := &wordPiece{vocab: vocab, prefix: f.ContinuingSubwordPrefix, maxChars: defaultWordChars}
	if f.MaxInputCharsPerWord != nil {
		m.maxChars = *f.MaxInputCharsPerWord
	}
	if m.maxChars < 0 || m.maxChars > maxWordChars {
		return nil, fmt.Errorf("max_input_chars_per_word is %d: at most %d is taken", m.maxChars, maxWordChars)
	}
	unk := "[UNK]"
	if f.UnkToken != nil {
		unk = *f.UnkToken
	}
	var ok bool
	if m.unk, ok = vocab[unk]; !ok {
		return nil, fmt.Errorf("the unknown token %.40q is not in its vocabulary", unk)
	}
	return m, nil
}

func (m *wordPiece) encode(dst []int32, word string, w *worker) []int32 {
	if utf8.RuneCountInString(word) > m.maxChars {
		return append(dst, m.unk)
	}
	from := len(dst)
	w.buf = append(append(w.buf[:0], m.prefix...), word...)
	for at := 0; at < len(word); {
		start := at
		if at == 0 {
			start = len(m.prefix)
		}
		end := len(w.buf)
		for {
			if id, ok := m.vocab[string(w.buf[start:end])]; ok {
				dst = append(dst, id)
				break
			}
			_, n := utf8.DecodeLastRune(w.buf[:end])
			if end -= n; end <= len(m.prefix)+at {
				return append(dst[:from], m.unk)
			}
		}
		at = end - len(m.prefix)
		copy(w.buf[at:], m.prefix)
	}
	return dst
}
