package token

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// unknownPenalty is how far below the lowest score an unknown character scores.
const unknownPenalty = 10

// unigram takes the way through a piece whose tokens' scores sum to the most.
type unigram struct {
	vocab    map[string]int32
	scores   []float64
	trie     trie
	unk      int32
	unkScore float64
	fallback bool
	bytes    [256]int32
}

// node is the best way to a place in the piece.
type node struct {
	score float64
	from  int32 // -1: none yet
	id    int32
}

func newUnigram(f *modelFile, pieces []piece) (*unigram, error) {
	if f.UnkID == nil {
		return nil, fmt.Errorf("a Unigram model without unk_id is not implemented")
	}
	if *f.UnkID < 0 || *f.UnkID >= len(pieces) {
		return nil, fmt.Errorf("unk_id %d is not in its vocabulary of %d", *f.UnkID, len(pieces))
	}
	m := &unigram{
		vocab: make(map[string]int32, len(pieces)), scores: make([]float64, len(pieces)), unk: int32(*f.UnkID),
		unkScore: math.Inf(1), fallback: f.ByteFallback,
	}
	for i, p := range pieces {
		m.vocab[p.text] = int32(i)
		m.scores[i] = float64(p.score)
		m.unkScore = min(m.unkScore, m.scores[i])
	}
	m.unkScore -= unknownPenalty
	for i := range m.bytes {
		m.bytes[i] = -1
		if id, ok := m.vocab[fmt.Sprintf("<0x%02X>", i)]; ok {
			m.bytes[i] = id
		}
	}
	m.trie = newTrie(m.vocab)
	return m, nil
}

func (m *unigram) encode(dst []int32, piece string, w *worker) []int32 {
	w.path = slices.Grow(w.path[:0], len(piece)+1)[:len(piece)+1]
	for i := range w.path {
		w.path[i] = node{from: -1}
	}
	for at := 0; at < len(piece); {
		_, size := utf8.DecodeRuneInString(piece[at:])
		here, single := w.path[at].score, false
		offer := func(to int, id int32, score float64) {
			if p := &w.path[to]; p.from < 0 || score > p.score {
				*p = node{score: score, from: int32(at), id: id}
			}
		}
		m.trie.prefixes(piece[at:], func(n int, id int32) {
			offer(at+n, id, m.scores[id]+here)
			single = single || n == size
		})
		if !single {
			offer(at+size, m.unk, m.unkScore+here)
		}
		at += size
	}
	from := len(dst)
	for end := len(piece); end > 0; { // backwards: turned round below
		p := w.path[end]
		start := int(p.from)
		if p.id == m.unk { // adjoining unknowns are one
			for start > 0 && w.path[start].id == m.unk {
				start = int(w.path[start].from)
			}
			dst = m.unknown(dst, piece[start:end])
		} else {
			dst = append(dst, p.id)
		}
		end = start
	}
	slices.Reverse(dst[from:])
	return dst
}

// unknown appends the ids of what is not in the vocabulary, the last one first.
func (m *unigram) unknown(dst []int32, s string) []int32 {
	if id, ok := m.vocab[s]; ok {
		return append(dst, id)
	}
	if !m.fallback {
		return append(dst, m.unk)
	}
	from := len(dst)
	for i := len(s) - 1; i >= 0; i-- {
		id := m.bytes[s[i]]
		if id < 0 {
			return append(dst[:from], m.unk)
		}
		dst = append(dst, id)
	}
	return dst
}
