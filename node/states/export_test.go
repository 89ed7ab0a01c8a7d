package states

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/token"
)

// TestTokenizerOfAnOrigin exports a model that began in a folder with tokenizer.json alone: what ends its texts is said where transformers looks for it, and
// what the folder said itself stays.
func TestTokenizerOfAnOrigin(t *testing.T) {
	raw, err := token.BytesFile()
	if err != nil {
		t.Fatal(err)
	}
	const plain, says = `{"vocab_size": 256}`, `{"vocab_size": 256, "eos_token_id": [7, 9]}`
	for name, c := range map[string]struct {
		config string
		has    string // tokenizer_config.json of the folder
		ends   []int32
		eos    string
		class  string
	}{
		"tokenizer.json alone": {plain, "", []int32{10}, "10", "PreTrainedTokenizerFast"},
		"two ends":             {plain, "", []int32{10, 0}, "[10,0]", "PreTrainedTokenizerFast"},
		"config.json says it":  {says, "", []int32{10}, "[7,9]", "PreTrainedTokenizerFast"},
		"all files":            {plain, `{"tokenizer_class": "Own"}`, []int32{10}, "null", "Own"},
		"nobody knows":         {plain, "", nil, "null", ""},
	} {
		e := checkpoint.Export{Origin: &checkpoint.Origin{Files: map[string][]byte{"config.json": []byte(c.config), token.File: raw}}}
		if c.has != "" {
			e.Origin.Files[token.ConfigFile] = []byte(c.has)
		}
		m := manifest.Default()
		m.Data.Ends = c.ends
		if err := addTokenizer(&e, m, nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var config map[string]json.RawMessage
		if err := json.Unmarshal(e.Origin.Files["config.json"], &config); err != nil {
			t.Fatal(err)
		}
		eos := strings.Join(strings.Fields(string(config["eos_token_id"])), "")
		if eos == "" {
			eos = "null"
		}
		if eos != c.eos || string(config["vocab_size"]) != "256" {
			t.Errorf("%s: config.json ends texts by %s, want %s", name, eos, c.eos)
		}
		var says struct {
			Class string `json:"tokenizer_class"`
		}
		if b := e.Origin.Files[token.ConfigFile]; b != nil {
			if err := json.Unmarshal(b, &says); err != nil {
				t.Fatal(err)
			}
		}
		if says.Class != c.class {
			t.Errorf("%s: the tokenizer is read by %q, want %q", name, says.Class, c.class)
		}
	}
}
