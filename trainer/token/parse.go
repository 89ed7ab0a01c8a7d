package token

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Parse reads a Hugging Face tokenizer.json file of at most [MaxFile] bytes.
func Parse(tokenizerJSON []byte) (*Tokenizer, error) {
	if len(tokenizerJSON) > MaxFile {
		return nil, fmt.Errorf("tokenizer.json: it has %d bytes, and at most %d are read", len(tokenizerJSON), MaxFile)
	}
	var f file
	if err := json.Unmarshal(tokenizerJSON, &f); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	t := &Tokenizer{begin: -1, idle: make(chan *worker, idleWorkers())}
	for _, read := range []func(*file) error{t.readParts, t.readModel, t.readAdded, t.readEnds} {
		if err := read(&f); err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
	}
	return t, nil
}

// readParts reads normalizer, pre-tokenizer and decoder.
func (t *Tokenizer) readParts(f *file) error {
	normal, err := readPart("normalizer", f.Normalizer)
	if err != nil {
		return err
	}
	pre, err := readPart("pre-tokenizer", f.PreTokenizer)
	if err != nil {
		return err
	}
	dec, err := readPart("decoder", f.Decoder)
	if err != nil {
		return err
	}
	growth := 1
	if t.normal, err = normalizers(nil, normal, &growth); err != nil {
		return err
	}
	if t.splits, err = splitters(nil, pre, &t.byteLevel); err != nil {
		return err
	}
	if dec == nil {
		t.decoder = []func() step{func() step { return &spaced{} }}
		return nil
	}
	growth, joined := 1, false
	t.decoder, err = decoders(nil, dec, &growth, &joined)
	return err
}

// readModel reads the model and its vocabulary.
func (t *Tokenizer) readModel(f *file) error {
	m := &f.Model
	if m.Type == "" && len(m.Merges) > 0 { // as GPT-2's first files
		m.Type = "BPE"
	}
	switch m.Type {
	case "BPE", "WordPiece":
		vocab, err := m.vocabulary()
		if err != nil {
			return err
		}
		if err := t.readMerged(m, vocab); err != nil {
			return err
		}
		for text, id := range vocab {
			t.enter(id, entry{text: text, known: true})
		}
		return nil
	case "Unigram":
		pieces, err := m.scored()
		if err != nil {
			return err
		}
		for id, p := range pieces {
			t.enter(int32(id), entry{text: p.text, known: true})
		}
		t.model, err = newUnigram(m, pieces)
		return err
	}
	return unknownPart("model", m.Type)
}

func (t *Tokenizer) readMerged(m *modelFile, vocab map[string]int32) error {
	var err error
	if m.Type == "WordPiece" {
		t.model, err = newWordPiece(m, vocab)
		return err
	}
	if m.Dropout != nil && *m.Dropout > 0 {
		return fmt.Errorf("BPE with dropout is not implemented: set model.dropout to null")
	}
	merges, err := m.pairs()
	if err != nil {
		return err
	}
	bpe, err := newBPE(m, vocab, merges)
	if err != nil {
		return err
	}
	if !t.byteLevel {
		bpe.allowWords(merges)
	}
	t.model = bpe
	return nil
}

// enter records what is known of an id.
func (t *Tokenizer) enter(id int32, e entry) {
	for int(id) >= len(t.entries) {
		t.entries = append(t.entries, entry{})
	}
	t.entries[id] = e
}

// readAdded reads the added tokens. Their ids are the model's where it knows their text, and else the next ones that are
// free: what the file says of them is not looked at, nor is it by the reference.
func (t *Tokenizer) readAdded(f *file) error {
	ids := make(map[string]int32)
	t.own = len(t.entries)
	count := 0 // of the model's vocabulary, which may leave ids out
	for id, e := range t.entries {
		if e.known {
			ids[e.text] = int32(id)
			count++
		}
	}
	var added []addedToken
	if len(f.AddedTokens) > 0 {
		if err := decode(f.AddedTokens, maxAddedMarks, &added); err != nil {
			return fmt.Errorf("its added tokens: %w", err)
		}
	}
	next := int32(count)
	byID := make(map[int32]addedToken)
	special := make(map[string]bool)
	for _, tok := range added {
		if len(tok.Content) > maxToken {
			return fmt.Errorf("the added token %.40q has %d bytes: at most %d are taken", tok.Content, len(tok.Content), maxToken)
		}
		if tok.Content == "" {
			continue
		}
		id, ok := ids[tok.Content]
		if !ok {
			if id, next = next, next+1; id >= maxVocab {
				return fmt.Errorf("more than %d tokens", maxVocab)
			}
			ids[tok.Content] = id
		}
		if tok.Special {
			special[tok.Content] = true
		}
		byID[id] = tok
	}
	plain, normal := make(map[string]int32), make(map[string]int32)
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(byID))) { // of two alike, the lowest stays
		tok := byID[id]
		content := tok.Content
		if tok.Normalized {
			for _, n := range t.normal {
				content = n(content)
			}
			normal[content] = id
		} else {
			plain[content] = id
		}
		t.enter(id, entry{text: content, known: true})
	}
	for i := range t.entries {
		t.entries[i].special = special[t.entries[i].text] && t.entries[i].known
	}
	t.added, t.addedNorm = newMatcher(plain, byID), newMatcher(normal, byID)
	return nil
}

func newMatcher(ids map[string]int32, tokens map[int32]addedToken) *matcher {
	delete(ids, "")
	if len(ids) == 0 {
		return nil
	}
	return &matcher{trie: newTrie(ids), ids: ids, tokens: tokens}
}
