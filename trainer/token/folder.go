package token

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Names of the files that say how a model's text becomes tokens, beside its weights.
const (
	File           = "tokenizer.json"
	ConfigFile     = "tokenizer_config.json"
	specialFile    = "special_tokens_map.json"
	modelFileName  = "config.json"
	generationFile = "generation_config.json"
)

// FolderFiles names the files that [ParseFolder] looks at.
func FolderFiles() []string {
	return []string{File, ConfigFile, specialFile, modelFileName, generationFile}
}

// ParseFolder reads the tokenizer.json among a folder's files, by name. A text ends with what tokenizer_config.json calls
// eos_token and with each eos_token_id of config.json and generation_config.json, as in transformers 5.24; only where none of them
// says it, the tokenizer's own names are looked at. Where config.json has a vocab_size, [Tokenizer.Fit] applies.
func ParseFolder(files map[string][]byte) (*Tokenizer, error) {
	t, err := Parse(files[File])
	if err != nil {
		return nil, err
	}
	var named struct {
		Vocab int `json:"vocab_size"`
	}
	if raw := files[modelFileName]; raw != nil && json.Unmarshal(raw, &named) == nil && named.Vocab > 0 {
		if err := t.Fit(named.Vocab); err != nil {
			return nil, err
		}
	}
	ends, err := t.namedEnds(files)
	if err != nil {
		return nil, err
	}
	t.SetEnds(ends)
	return t, nil
}

// namedEnds lists what a folder's files say that a text ends with.
func (t *Tokenizer) namedEnds(files map[string][]byte) (ends []int32, err error) {
	for _, name := range []string{ConfigFile, specialFile} {
		var f struct {
			EOS tokenText `json:"eos_token"`
		}
		if raw := files[name]; raw != nil {
			if err := json.Unmarshal(raw, &f); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		if id := t.find(string(f.EOS)); id >= 0 {
			ends = append(ends, id)
			break
		}
	}
	for _, name := range []string{modelFileName, generationFile} {
		var f struct {
			EOS tokenIDs `json:"eos_token_id"`
		}
		if raw := files[name]; raw != nil {
			if err := json.Unmarshal(raw, &f); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		for _, id := range f.EOS {
			if id := t.checked(id); id >= 0 {
				ends = append(ends, id)
			}
		}
	}
	return ends, nil
}

// tokenText is a token in tokenizer_config.json: its text, or an object that has it as content.
type tokenText string

// UnmarshalJSON reads either spelling.
func (s *tokenText) UnmarshalJSON(raw []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(raw, &object) == nil {
		*s = tokenText(object.Content)
		return nil
	}
	return json.Unmarshal(raw, (*string)(s))
}

// tokenIDs is one id, a list of them, or null.
type tokenIDs []int64

// UnmarshalJSON reads each of the spellings.
func (ids *tokenIDs) UnmarshalJSON(raw []byte) error {
	var one int64
	if json.Unmarshal(raw, &one) == nil {
		if string(raw) != "null" {
			*ids = tokenIDs{one}
		}
		return nil
	}
	return json.Unmarshal(raw, (*[]int64)(ids))
}

// find returns the id of a token's text, or -1.
func (t *Tokenizer) find(text string) int32 {
	if text == "" {
		return -1
	}
	return int32(slices.IndexFunc(t.entries, func(e entry) bool { return e.known && e.text == text }))
}

// SetEnds has texts end with these tokens alone; none change nothing, and ids that the vocabulary lacks are passed over. It is called
// before the first use.
func (t *Tokenizer) SetEnds(ids []int32) {
	if len(ids) > 0 {
		t.ends = nil
	}
	for _, id := range ids {
		if id = t.checked(int64(id)); id >= 0 && !slices.Contains(t.ends, id) {
			t.ends = append(t.ends, id)
		}
	}
}

// Fit makes a tokenizer one for a model of so many embeddings. Added tokens beyond them are no longer found in texts: files have a
// padding token there that training never uses. A vocabulary that is larger by itself is refused. It is called before the first use.
func (t *Tokenizer) Fit(vocab int) error {
	if len(t.entries) <= vocab {
		return nil
	}
	if t.own > vocab {
		return fmt.Errorf("the tokenizer has %d ids and the model a vocabulary of %d: they do not belong together", t.own, vocab)
	}
	t.entries = t.entries[:vocab]
	t.added, t.addedNorm = t.added.below(int32(vocab)), t.addedNorm.below(int32(vocab))
	if int(t.begin) >= vocab {
		t.begin = -1
	}
	t.ends = slices.DeleteFunc(t.ends, func(id int32) bool { return int(id) >= vocab })
	return nil
}

// BytesFile returns a tokenizer.json of [Bytes], which transformers reads too.
func BytesFile() ([]byte, error) {
	vocab := map[string]int{}
	for b := range 256 {
		vocab[string(byteLevelRune(byte(b)))] = b
	}
	level := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
	b, err := json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": []any{}, "pre_tokenizer": level, "decoder": level,
		"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": []any{}},
	})
	return append(b, '\n'), err
}

// WriteConfig returns a tokenizer_config.json by which transformers reads the tokenizer.json that t was parsed from: without a
// class, 4.57.6 takes another and gives ids beyond the vocabulary, and 5.3.0 refuses it.
func (t *Tokenizer) WriteConfig() ([]byte, error) {
	c := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	if id, ok := t.End(); ok && t.model != nil { // a byte's text in tokenizer.json is that of another letter
		c["eos_token"] = t.entries[id].text
	}
	if id, ok := t.Begin(); ok {
		c["bos_token"] = t.entries[id].text
	}
	b, err := json.MarshalIndent(c, "", "  ")
	return append(b, '\n'), err
}
