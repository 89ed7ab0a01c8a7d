package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxFile is the size of the largest tokenizer.json that is read, 64 MiB: that of Gemma 3, the largest in wide use, has 32.
	MaxFile = 64 << 20

	maxVocab      = 1 << 21 // ids: the largest vocabulary in wide use has 2^20
	maxToken      = 1 << 12 // bytes of one token's text; lines of spaces have a few hundred
	maxVocabBytes = 1 << 25 // of a Unigram vocabulary, whose tree takes 12 bytes for each
	maxListMarks  = 1 << 22 // values in a vocabulary or in its merges; Gemma 3 has 1.5 million
	maxAddedMarks = 1 << 20 // values in the added tokens; Gemma 3 has 50 thousand
	maxPartMarks  = 1 << 10 // values in a normalizer, pre-tokenizer, decoder or post-processor
	maxDepth      = 32      // lists and objects within one another in one of those
	maxContent    = 64      // bytes that a Replace or Prepend puts in
	maxGrowth     = 256     // times that a normalizer or decoder may lengthen a text
)

// file is a tokenizer.json.
type file struct {
	AddedTokens   json.RawMessage `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         modelFile       `json:"model"`
}

// modelFile is the model in a tokenizer.json.
type modelFile struct {
	Type                    string          `json:"type"`
	Vocab                   json.RawMessage `json:"vocab"`
	Merges                  json.RawMessage `json:"merges"`
	UnkToken                *string         `json:"unk_token"`
	UnkID                   *int            `json:"unk_id"`
	ContinuingSubwordPrefix string          `json:"continuing_subword_prefix"`
	EndOfWordSuffix         string          `json:"end_of_word_suffix"`
	FuseUnk                 bool            `json:"fuse_unk"`
	ByteFallback            bool            `json:"byte_fallback"`
	IgnoreMerges            bool            `json:"ignore_merges"`
	Dropout                 *float64        `json:"dropout"`
	MaxInputCharsPerWord    *int            `json:"max_input_chars_per_word"`
}

// part is a normalizer, pre-tokenizer, decoder or post-processor; each type uses a few of the fields.
type part struct {
	Type string `json:"type"`

	Normalizers   []part `json:"normalizers"`
	Pretokenizers []part `json:"pretokenizers"`
	Decoders      []part `json:"decoders"`
	Processors    []part `json:"processors"`

	Pattern struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	} `json:"pattern"`
	Content *string `json:"content"`

	Prepend             string `json:"prepend"`
	StripLeft           bool   `json:"strip_left"`
	StripRight          bool   `json:"strip_right"`
	CleanText           *bool  `json:"clean_text"`
	HandleChineseChars  *bool  `json:"handle_chinese_chars"`
	StripAccents        *bool  `json:"strip_accents"`
	Lowercase           *bool  `json:"lowercase"`
	PrecompiledCharsmap []byte `json:"precompiled_charsmap"`

	Behavior         *string `json:"behavior"`
	Invert           bool    `json:"invert"`
	AddPrefixSpace   *bool   `json:"add_prefix_space"`
	UseRegex         *bool   `json:"use_regex"`
	IndividualDigits bool    `json:"individual_digits"`
	Replacement      string  `json:"replacement"`
	PrependScheme    *string `json:"prepend_scheme"`
	Split            *bool   `json:"split"`

	Prefix  string `json:"prefix"`
	Suffix  string `json:"suffix"`
	Cleanup *bool  `json:"cleanup"`
	Start   int    `json:"start"`
	Stop    int    `json:"stop"`

	Single        json.RawMessage `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
	Cls [2]any `json:"cls"`
	Sep [2]any `json:"sep"`
}

// decode reads JSON with at most so many values in it: each takes memory even where two bytes spell it.
func decode(raw json.RawMessage, maxMarks int, to any) error {
	depth, deepest, marks, quoted := 0, 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			marks++
		case c == '[' || c == '{':
			marks++
			depth++
			deepest = max(deepest, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	if marks > maxMarks || deepest > maxDepth {
		return fmt.Errorf("%d values, nested %d deep: at most %d and %d are taken", marks, deepest, maxMarks, maxDepth)
	}
	return json.Unmarshal(raw, to)
}

// readPart reads a normalizer or another part; it is nil where the file has none.
func readPart(kind string, raw json.RawMessage) (*part, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var p *part
	if err := decode(raw, maxPartMarks, &p); err != nil {
		return nil, fmt.Errorf("its %s: %w", kind, err)
	}
	return p, nil
}

var errGrows = errors.New("its parts could make a text too long")

// grow multiplies growth, and fails where the product is past what is taken.
func grow(growth *int, by int) error {
	*growth *= max(by, 1)
	if *growth > maxGrowth {
		return errGrows
	}
	return nil
}

func unknownPart(kind, name string) error {
	return fmt.Errorf("the %s %.40q is not implemented", kind, name)
}

// vocabulary reads the vocab of BPE and WordPiece, an object of ids by text.
func (f *modelFile) vocabulary() (map[string]int32, error) {
	var vocab map[string]int32
	if err := decode(f.Vocab, maxListMarks, &vocab); err != nil {
		return nil, fmt.Errorf("its vocabulary: %w", err)
	}
	for text, id := range vocab {
		if id < 0 || id >= maxVocab || len(text) > maxToken {
			return nil, fmt.Errorf("token %.40q of %d bytes with id %d: at most %d bytes and ids below %d are taken",
				text, len(text), id, maxToken, maxVocab)
		}
	}
	return vocab, nil
}

// scored reads the vocab of Unigram, a list of texts and scores.
func (f *modelFile) scored() ([]piece, error) {
	var pieces []piece
	if err := decode(f.Vocab, maxListMarks, &pieces); err != nil {
		return nil, fmt.Errorf("its vocabulary: %w", err)
	}
	if len(pieces) > maxVocab {
		return nil, fmt.Errorf("a vocabulary of %d: at most %d tokens are taken", len(pieces), maxVocab)
	}
	total := 0
	for i, p := range pieces {
		if total += len(p.text); len(p.text) > maxToken || total > maxVocabBytes {
			return nil, fmt.Errorf("token %d of its vocabulary has %d bytes, or all up to it %d: at most %d and %d are taken",
				i, len(p.text), total, maxToken, maxVocabBytes)
		}
	}
	return pieces, nil
}

// pairs reads the merges, each a list of two texts or one text with a space between.
func (f *modelFile) pairs() ([][2]string, error) {
	var pairs [][2]string
	var lines []string
	if err := decode(f.Merges, maxListMarks, &lines); err != nil {
		if err := decode(f.Merges, maxListMarks, &pairs); err != nil {
			return nil, fmt.Errorf("its merges: %w", err)
		}
		return pairs, nil
	}
	for i, line := range lines {
		if strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(b, " ") {
			return nil, fmt.Errorf("merge %d, %.40q, is not two texts with a space between", i, line)
		}
		pairs = append(pairs, [2]string{a, b})
	}
	return pairs, nil
}
