// Package token turns text into token ids and ids into text, for training data and for generation.
//
// [Parse] reads a Hugging Face tokenizer.json file: models BPE (byte-level, or with byte fallback), Unigram and
// WordPiece, with the normalizers, pre-tokenizers, added tokens and decoders that such files use. It gives the ids and
// the text that Hugging Face's own library gives, without the special tokens of a post-processor; truncation and padding
// in a file are ignored. A part that is not implemented is refused by its name. [Bytes] makes every byte a token.
//
// Known differences, all in characters that the Unicode tables of the reference (tokenizers 0.23.3) and Go's (15.0) do not know alike: letters, numbers and
// their cases of Unicode 15.1 and 16, which the reference's patterns know and these do not, so that byte-level BPE splits a text in such scripts otherwise;
// NFC and NFD of marks assigned after Unicode 9, which the reference does not order; NFKC and
// NFKD of some forty that got a mapping after Unicode 12; punctuation, marks and control characters of BERT's parts
// assigned after Unicode 6. Where a file normalizes, a run of more than 30 combining marks gets U+034F put into it.
//
// Files come from strangers: Parse never panics, takes at most [MaxFile] bytes, and bounds what a file can make of a
// text. A [Tokenizer] is safe for concurrent use and its caches are bounded.
//
// The package knows nothing of models, data sets or the network.
package token
