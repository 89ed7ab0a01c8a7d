package token

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// bpe merges the symbols of a piece, pair by pair, the pair of the lowest rank first.
type bpe struct {
	vocab    map[string]int32
	merges   map[uint64]merge
	unk      int32 // -1: what is not in the vocabulary is dropped
	fuse     bool  // adjoining unknowns are one
	fallback bool  // what is not in the vocabulary is spelled in byte tokens
	ignore   bool  // a piece that is a token is not merged from its parts
	prefix   string
	suffix   string
	bytes    [256]int32
	joined   map[uint64]bool // see word; nil: a piece must be taken whole
}

type merge struct{ rank, id int32 }

// symbol is a part of the piece that is being merged, linked to those beside it.
type symbol struct {
	id         int32
	prev, next int32
	live       bool
}

// candidate is a pair that may be merged: it waits in a heap, lowest key first.
type candidate struct {
	key uint64 // rank, then position
	id  int32
}

func pair(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// newBPE builds a model from its vocabulary and its merges, two token texts each.
func newBPE(f *modelFile, vocab map[string]int32, merges [][2]string) (*bpe, error) {
	m := &bpe{
		vocab: vocab, merges: make(map[uint64]merge, len(merges)), unk: -1,
		fuse: f.FuseUnk, fallback: f.ByteFallback, ignore: f.IgnoreMerges,
		prefix: f.ContinuingSubwordPrefix, suffix: f.EndOfWordSuffix,
	}
	if f.UnkToken != nil {
		id, ok := vocab[*f.UnkToken]
		if !ok {
			return nil, fmt.Errorf("the unknown token %.40q is not in its vocabulary", *f.UnkToken)
		}
		m.unk = id
	}
	for i := range m.bytes {
		m.bytes[i] = -1
		if id, ok := vocab[fmt.Sprintf("<0x%02X>", i)]; ok {
			m.bytes[i] = id
		}
	}
	for rank, ab := range merges {
		a, okA := vocab[ab[0]]
		b, okB := vocab[ab[1]]
		tail, okP := strings.CutPrefix(ab[1], m.prefix)
		id, ok := vocab[ab[0]+tail]
		if !okA || !okB || !okP || !ok {
			return nil, fmt.Errorf("merge %d of %.40q and %.40q is not of its vocabulary", rank, ab[0], ab[1])
		}
		m.merges[pair(a, b)] = merge{int32(rank), id}
	}
	return m, nil
}

// allowWords lets long pieces be cut where no merge reaches across: files without a pre-tokenizer give the whole text as
// one piece, and the words in it come again and again.
func (m *bpe) allowWords(merges [][2]string) {
	if m.ignore || m.prefix != "" || m.suffix != "" {
		return
	}
	m.joined = make(map[uint64]bool)
	for _, ab := range merges {
		a, _ := utf8.DecodeLastRuneInString(ab[0])
		b, _ := utf8.DecodeRuneInString(ab[1])
		m.joined[pair(a, b)] = true
	}
}

// word returns the length of the shortest start of a piece that ends between two characters that are tokens and that no
// merge joins: merging the parts apart gives the same.
func (m *bpe) word(piece string) int {
	a, n := utf8.DecodeRuneInString(piece)
	for n < len(piece) {
		b, size := utf8.DecodeRuneInString(piece[n:])
		if !m.joined[pair(a, b)] {
			_, okA := m.vocab[string(a)]
			_, okB := m.vocab[piece[n:n+size]]
			if okA && okB {
				return n
			}
		}
		a, n = b, n+size
	}
	return n
}

func (m *bpe) encode(dst []int32, piece string, w *worker) []int32 {
	if m.ignore {
		if id, ok := m.vocab[piece]; ok {
			return append(dst, id)
		}
	}
	m.start(piece, w)
	m.merge(w)
	for i := range w.symbols {
		if w.symbols[i].live {
			dst = append(dst, w.symbols[i].id)
		}
	}
	return dst
}

// start fills w.symbols with the characters of a piece. An unknown one waits until a known one comes, even behind the
// byte tokens of others.
func (m *bpe) start(piece string, w *worker) {
	w.symbols = w.symbols[:0]
	add := func(id int32) {
		n := int32(len(w.symbols))
		if n > 0 {
			w.symbols[n-1].next = n
		}
		w.symbols = append(w.symbols, symbol{id: id, prev: n - 1, next: -1, live: true})
	}
	unknown := false
	for i := 0; i < len(piece); {
		_, n := utf8.DecodeRuneInString(piece[i:])
		s := piece[i : i+n]
		if i > 0 && m.prefix != "" {
			s = m.prefix + s
		}
		if i += n; i == len(piece) && m.suffix != "" {
			s += m.suffix
		}
		if id, ok := m.vocab[s]; ok {
			if unknown {
				add(m.unk)
				unknown = false
			}
			add(id)
			continue
		}
		if m.fallback && m.spelled(s) {
			for j := range len(s) {
				add(m.bytes[s[j]])
			}
			continue
		}
		if unknown && !m.fuse {
			add(m.unk)
		}
		unknown = m.unk >= 0
	}
	if unknown {
		add(m.unk)
	}
}

// spelled reports whether every byte of s is a token.
func (m *bpe) spelled(s string) bool {
	for i := range len(s) {
		if m.bytes[s[i]] < 0 {
			return false
		}
	}
	return true
}

// merge merges w.symbols until no pair is left to merge.
func (m *bpe) merge(w *worker) {
	w.queue = w.queue[:0]
	try := func(at int32) {
		next := w.symbols[at].next
		if next < 0 {
			return
		}
		if to, ok := m.merges[pair(w.symbols[at].id, w.symbols[next].id)]; ok {
			w.queue = pushCandidate(w.queue, candidate{uint64(to.rank)<<32 | uint64(at), to.id})
		}
	}
	for i := range w.symbols {
		try(int32(i))
	}
	for len(w.queue) > 0 {
		var top candidate
		top, w.queue = popCandidate(w.queue)
		at := int32(uint32(top.key))
		left := &w.symbols[at]
		if !left.live || left.next < 0 {
			continue
		}
		right := &w.symbols[left.next]
		if to, ok := m.merges[pair(left.id, right.id)]; !ok || to.id != top.id {
			continue // one of the two was merged with another since
		}
		left.id, left.next, right.live = top.id, right.next, false
		if left.next >= 0 {
			w.symbols[left.next].prev = at
		}
		if left.prev >= 0 {
			try(left.prev)
		}
		try(at)
	}
}

func pushCandidate(h []candidate, c candidate) []candidate {
	h = append(h, c)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].key <= h[i].key {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
	return h
}

func popCandidate(h []candidate) (candidate, []candidate) {
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return top, h
		}
		if down+1 < last && h[down+1].key < h[down].key {
			down++
		}
		if h[i].key <= h[down].key {
			return top, h
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
