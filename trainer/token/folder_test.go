package token

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const folderTokenizer = `{"added_tokens":[
	{"content":"<|endoftext|>","special":true},{"content":"<|im_start|>","special":true},{"content":"<|im_end|>","special":true},{"content":"[PAD]","special":true}],
	"model":{"type":"BPE","vocab":{"<|endoftext|>":0,"<|im_start|>":1,"<|im_end|>":2,"a":3,"[":4,"P":5,"A":6,"D":7,"]":8},"merges":[]}}`

// TestFolderEnds holds what ends a text to what transformers 5.24 takes for it: eos_token_id of config.json and of
// generation_config.json, a number or a list, and eos_token of tokenizer_config.json.
func TestFolderEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []int32
	}{
		{"tokenizer.json alone", nil, []int32{0}},
		{"text", map[string]string{ConfigFile: `{"eos_token":"<|im_end|>"}`}, []int32{2}},
		{"object", map[string]string{ConfigFile: `{"eos_token":{"content":"<|im_end|>","lstrip":false}}`}, []int32{2}},
		{"null", map[string]string{ConfigFile: `{"eos_token":null}`, "config.json": `{"eos_token_id":null}`}, []int32{0}},
		{"special tokens", map[string]string{"special_tokens_map.json": `{"eos_token":"<|im_start|>"}`}, []int32{1}},
		{"number", map[string]string{"config.json": `{"eos_token_id":2}`}, []int32{2}},
		{"list", map[string]string{"config.json": `{"eos_token_id":[2,0]}`}, []int32{2, 0}},
		{"union", map[string]string{ConfigFile: `{"eos_token":"<|im_end|>"}`, "config.json": `{"eos_token_id":1}`, "generation_config.json": `{"eos_token_id":[2,0]}`}, []int32{2, 1, 0}},
		{"ids that are not there", map[string]string{"config.json": `{"eos_token_id":[99,-1,2]}`}, []int32{2}},
	} {
		files := map[string][]byte{File: []byte(folderTokenizer)}
		for name, text := range c.files {
			files[name] = []byte(text)
		}
		tok, err := ParseFolder(files)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := tok.Ends(); !slices.Equal(got, c.want) {
			t.Errorf("%s: ends %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFit holds a tokenizer with an added token beyond the embedding, which transformers 5.24 loads, to the embedding: its text is then
// read as any other.
func TestFit(t *testing.T) {
	tok, err := ParseFolder(map[string][]byte{File: []byte(folderTokenizer), "config.json": []byte(`{"vocab_size":9}`)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tok.Append(nil, "a[PAD]<|im_end|>"), []int32{3, 4, 5, 6, 7, 8, 2}; tok.Vocab() != 9 || !slices.Equal(got, want) {
		t.Errorf("%d ids, and %v, want 9 and %v", tok.Vocab(), got, want)
	}
	if _, err := ParseFolder(map[string][]byte{File: []byte(folderTokenizer), "config.json": []byte(`{"vocab_size":8}`)}); err == nil || !strings.Contains(err.Error(), "9 ids and the model a vocabulary of 8") {
		t.Errorf("a vocabulary that is too small: %v", err)
	}
}

// TestWriteConfig: what is written is read again, and names the class that takes tokenizer.json as it is.
func TestWriteConfig(t *testing.T) {
	tok := small(t, "llama3")
	raw, err := tok.WriteConfig()
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	if c["tokenizer_class"] != "PreTrainedTokenizerFast" || c["eos_token"] != "<|end_of_text|>" || c["bos_token"] != "<|begin|>" {
		t.Errorf("%s", raw)
	}
}

// TestBytesFile: the tokenizer.json of bytes, which an export of a model of bytes has, gives each byte's number.
func TestBytesFile(t *testing.T) {
	raw, err := BytesFile()
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	const text = "Hä 語  x\n\x00"
	if got, want := tok.Append(nil, text), Bytes().Append(nil, text); !slices.Equal(got, want) || tok.Vocab() != 256 || tok.Decode(got) != text {
		t.Errorf("%v, want %v", got, want)
	}
}
