package token

import (
	"encoding/json"
	"slices"
)

// endTexts are what the tokens that end a document are called where a post-processor does not put one.
func endTexts() []string {
	return []string{
		"<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|end▁of▁sentence|>", "<｜end▁of▁sentence｜>",
		"[EOS]", "<|eos|>", "<EOT>", "[SEP]",
	}
}

// readEnds finds the tokens that begin and end a text.
func (t *Tokenizer) readEnds(f *file) error {
	post, err := readPart("post-processor", f.PostProcessor)
	if err != nil {
		return err
	}
	begin, end := t.around(post)
	if t.begin = begin; end >= 0 {
		t.ends = []int32{end}
		return nil
	}
	texts := endTexts()
	best := 2 * len(texts)
	for id, e := range t.entries {
		i := slices.Index(texts, e.text)
		if i >= 0 && !e.special { // vocabularies of web pages have </s> as a tag
			i += len(texts)
		}
		if i >= 0 && i < best {
			best, t.ends = i, []int32{int32(id)}
		}
	}
	return nil
}

// around returns the tokens that a post-processor puts before and behind a text, -1 for none.
func (t *Tokenizer) around(p *part) (begin, end int32) {
	begin, end = -1, -1
	if p == nil {
		return begin, end
	}
	switch p.Type {
	case "BertProcessing", "RobertaProcessing":
		return t.checkedAny(p.Cls[1]), t.checkedAny(p.Sep[1])
	case "TemplateProcessing":
		return t.template(p)
	case "Sequence":
		for i := range p.Processors {
			b, e := t.around(&p.Processors[i])
			begin, end = max(begin, b), max(end, e)
		}
	}
	return begin, end
}

// template reads a list such as: special token, sequence A, special token. What stands right behind the sequence ends it.
func (t *Tokenizer) template(p *part) (begin, end int32) {
	begin, end = -1, -1
	var items []struct {
		SpecialToken, Sequence *struct {
			ID string `json:"id"`
		}
	}
	if json.Unmarshal(p.Single, &items) != nil {
		return begin, end
	}
	id := func(i int) int32 {
		if items[i].SpecialToken == nil {
			return -1
		}
		ids := p.SpecialTokens[items[i].SpecialToken.ID].IDs
		if len(ids) == 0 {
			return -1
		}
		return t.checked(ids[0])
	}
	for i := range items {
		if items[i].Sequence == nil {
			continue
		}
		if i > 0 {
			begin = id(0)
		}
		if i+1 < len(items) {
			end = id(i + 1)
		}
		break
	}
	return begin, end
}

func (t *Tokenizer) checkedAny(id any) int32 {
	f, ok := id.(float64)
	if !ok || f != float64(int32(f)) {
		return -1
	}
	return t.checked(int64(f))
}

// checked returns an id that the vocabulary has, or -1.
func (t *Tokenizer) checked(id int64) int32 {
	if id < 0 || id >= int64(len(t.entries)) || !t.entries[id].known {
		return -1
	}
	return int32(id)
}
