package token

import (
	"strings"
	"testing"
)

// TestRefusals checks that what is not implemented is refused by its name, and what could take too much is refused.
func TestRefusals(t *testing.T) {
	const bpe = `"model":{"type":"BPE","vocab":{"a":0},"merges":[]}`
	split := func(pattern string) string {
		return `{"pre_tokenizer":{"type":"Split","behavior":"Isolated","invert":false,"pattern":{"Regex":"` + pattern + `"}},` + bpe + `}`
	}
	for _, c := range []struct{ file, want string }{
		{``, "JSON"},
		{`{}`, `model ""`},
		{`[]`, "cannot unmarshal"},
		{`{"model":{"type":"WordLevel","vocab":{}}}`, `model "WordLevel"`},
		{`{"normalizer":{"type":"Casefold"},` + bpe + `}`, `normalizer "Casefold"`},
		{`{"pre_tokenizer":{"type":"UnicodeScripts"},` + bpe + `}`, `pre-tokenizer "UnicodeScripts"`},
		{`{"decoder":{"type":"CTC"},` + bpe + `}`, `decoder "CTC"`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}}`, "dropout"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`, "merge 0"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}`, "merge 0"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"?"}}`, `"?"`},
		{`{"model":{"type":"BPE","vocab":{"a":2097152},"merges":[]}}`, "ids below"},
		{`{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`, "ids below"},
		{`{"model":{"type":"WordPiece","vocab":{"a":0}}}`, "[UNK]"},
		{`{"model":{"type":"WordPiece","vocab":{"[UNK]":0},"max_input_chars_per_word":5000}}`, "max_input_chars_per_word"},
		{`{"model":{"type":"Unigram","vocab":[["a",-1]]}}`, "unk_id"},
		{`{"model":{"type":"Unigram","vocab":[["a",-1]],"unk_id":1}}`, "unk_id"},
		{`{"model":{"type":"Unigram","vocab":[["` + strings.Repeat("a", maxToken+1) + `",-1]],"unk_id":0}}`, "bytes"},
		{`{"added_tokens":[{"content":"` + strings.Repeat("a", maxToken+1) + `"}],` + bpe + `}`, "added token"},
		{`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]},` + bpe + `}`, "behind ByteLevel"},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"},` + bpe + `}`, `"Sideways"`},
		{`{"pre_tokenizer":{"type":"Split","behavior":"Isolated"},` + bpe + `}`, "without a pattern"},
		{`{"pre_tokenizer":{"type":"Metaspace","replacement":""},` + bpe + `}`, "replacement"},
		{split(`a(?=b)`), "is not implemented"},
		{split(`^a`), "anchor"},
		{split(`a++b`), "possessive"},
		{split(`\\ba`), `escape`},
		{split(`[a[b]]`), "class within a class"},
		{split(`(a)`), "captures"},
		{split(`a*`), "matches nothing"},
		{split(strings.Repeat("a", maxPattern+1)), "longer than"},
		{`{"normalizer":{"type":"Replace","pattern":{"String":"a"},"content":"` + strings.Repeat("a", maxContent+1) + `"},` + bpe + `}`, "content"},
		{`{"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aaaa"},`, 8) + `{"type":"NFC"}]},` + bpe + `}`, "too long"},
		{`{"normalizer":{"type":"Sequence","normalizers":[` + strings.Repeat(`null,`, maxPartMarks) + `{"type":"NFC"}]},` + bpe + `}`, "values"},
		{`{"normalizer":` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 17) + strings.Repeat(`]}`, 17) + `,` + bpe + `}`, "deep"},
		{`{"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"},` + bpe + `}`, "cut short"},
		{`{"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAEAAAAA"},` + bpe + `}`, "table"},
	} {
		_, err := Parse([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "tokenizer.json: ") {
			t.Errorf("%.120s: %v, want it to name %s", c.file, err, c.want)
		}
	}
}
