package token

import "strings"

const (
	maxCachedPiece  = 64      // bytes: longer pieces hardly come twice
	maxCachedPieces = 1 << 16 // pieces a worker keeps: about 6 MB with their ids; then all are forgotten
	maxCachedIDs    = 1 << 20 // ids of those pieces: 4 MiB
	maxScratch      = 1 << 20 // entries of the lists below that are kept between texts: at most 24 MiB
)

// worker encodes one text at a time and remembers the ids of pieces, most of which are words that come again.
type worker struct {
	t     *Tokenizer
	dst   []int32
	split func(piece string, first bool) // runs the pre-tokenizers and gives what they make to piece

	cache map[string]span
	ids   []int32 // what the spans are of
	buf   []byte  // a piece as byteLevelRune spells it

	symbols []symbol
	queue   []candidate
	path    []node
}

type span struct{ from, to uint32 }

func newWorker(t *Tokenizer) *worker {
	w := &worker{t: t, cache: make(map[string]span)}
	w.split = w.piece
	for i := len(t.splits) - 1; i >= 0; i-- {
		split, next := t.splits[i], w.split
		w.split = func(piece string, first bool) { split(piece, first, next) }
	}
	return w
}

// append does what Tokenizer.Append says.
func (w *worker) append(dst []int32, text string) []int32 {
	w.dst = dst
	w.t.added.cut(text, func(from, to int, id int32) {
		if id >= 0 {
			w.dst = append(w.dst, id)
			return
		}
		part := text[from:to]
		for _, n := range w.t.normal {
			part = n(part)
		}
		w.t.addedNorm.cut(part, func(pfrom, pto int, id int32) {
			switch {
			case id >= 0:
				w.dst = append(w.dst, id)
			case pfrom < pto:
				w.split(part[pfrom:pto], from == 0 && pfrom == 0)
			}
		})
	})
	dst, w.dst = w.dst, nil
	if cap(w.path)+cap(w.symbols)+cap(w.queue)+cap(w.buf) > maxScratch {
		w.path, w.symbols, w.queue, w.buf = nil, nil, nil, nil
	}
	return dst
}

// piece encodes what the pre-tokenizers left in one piece.
func (w *worker) piece(piece string, _ bool) {
	if len(piece) <= maxCachedPiece {
		w.cached(piece)
		return
	}
	b, ok := w.t.model.(*bpe)
	if !ok || b.joined == nil {
		w.fresh(piece)
		return
	}
	for len(piece) > 0 {
		n := b.word(piece)
		if n <= maxCachedPiece {
			w.cached(piece[:n])
		} else {
			w.fresh(piece[:n])
		}
		piece = piece[n:]
	}
}

func (w *worker) cached(piece string) {
	if s, ok := w.cache[piece]; ok {
		w.dst = append(w.dst, w.ids[s.from:s.to]...)
		return
	}
	at := len(w.dst)
	w.fresh(piece)
	ids := w.dst[at:]
	if len(w.cache) >= maxCachedPieces || len(w.ids)+len(ids) > maxCachedIDs {
		clear(w.cache)
		w.ids = w.ids[:0]
	}
	from := len(w.ids)
	w.ids = append(w.ids, ids...)
	w.cache[strings.Clone(piece)] = span{uint32(from), uint32(len(w.ids))}
}

func (w *worker) fresh(piece string) {
	if w.t.byteLevel {
		w.buf = w.buf[:0]
		for i := range len(piece) {
			w.buf = appendByteLevel(w.buf, piece[i])
		}
		piece = string(w.buf)
	}
	w.dst = w.t.model.encode(w.dst, piece, w)
}
