"""Makes the small tokenizers of testdata/small, one for each way that files are put together: train.py FOLDER

It needs tokenizers, sentencepiece and protobuf; run reference.py on the folder afterwards. They were made with tokenizers
0.23.3 and sentencepiece 0.2.
"""

import io
import json
import pathlib
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from reference import SNIPPETS, texts
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as n, pre_tokenizers as p, processors, trainers

here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1])
english = (here / "../../data/opticks.txt").read_text()[20_000:50_000]
corpus = [english] + SNIPPETS * 4
(folder / "texts").write_text(json.dumps([s[:300] for s in texts(60_000)] + [*SNIPPETS, "", " ", "a", english[:1000]]))

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL)
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^""" + "\r\n" + r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+["
            + "\r\n]*" + r"|\s*[" + "\r\n]+" + r"|\s+(?!\S)|\s+")
ALPHABET = p.ByteLevel.alphabet()


def save(name, tok, model=None):
    data = json.loads(tok.to_str())
    data["model"].update(model or {})
    (folder / f"{name}.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def bpe(name, normalizer, pre, decoder, alphabet, special=("<|endoftext|>",), added=(), post=None, train=None, model=None, size=700, **kwargs):
    tok = Tokenizer(models.BPE(**kwargs))
    if normalizer:
        tok.normalizer = normalizer
    if pre:
        tok.pre_tokenizer = pre
    tok.decoder = decoder
    tok.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False, limit_alphabet=300, **(train or {})))
    tok.add_tokens(list(added))
    if post:
        tok.post_processor = post
    save(name, tok, model)


def split(*patterns):
    return p.Sequence([p.Split(Regex(x), "isolated") for x in patterns] + [p.ByteLevel(False, use_regex=False)])


added = [
    AddedToken("fox", single_word=True), AddedToken("<0x41>", lstrip=True, rstrip=True, normalized=False), AddedToken("    "),
    AddedToken("Day", lstrip=True), AddedToken("[MASK]", lstrip=True, special=True), AddedToken("<|im_end|>", rstrip=True, special=True),
    AddedToken("den", rstrip=True, single_word=True, normalized=False), AddedToken("lazy dog"),
]
level = decoders.ByteLevel()
bpe("gpt2", None, p.ByteLevel(add_prefix_space=True), level, ALPHABET, added=added)
bpe("llama3", None, split(LLAMA), level, ALPHABET, model={"ignore_merges": True}, special=["<|begin|>", "<|end_of_text|>"],
    post=processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 0)]))
bpe("qwen2", n.NFC(), split(LLAMA.replace("{1,3}", "")), level, ALPHABET)
bpe("o200k", None, split(O200K), level, ALPHABET)
bpe("deepseek", n.Sequence([]), split(r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK), level, ALPHABET)
bpe("tekken", None, split(O200K.replace(CONTRACTIONS + "?", "").replace("{1,3}", "")), level, ALPHABET)
bpe("digits", n.NFKC(), p.Sequence([p.Digits(True), p.Punctuation("merged_with_previous"), p.ByteLevel(False)]), level, ALPHABET)

bytes_ = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
word = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def not_special(name, keep):
    """Leaves the byte tokens to the model alone."""
    data = json.loads((folder / f"{name}.json").read_text())
    data["added_tokens"] = [t for t in data["added_tokens"] if t["content"] in keep]
    (folder / f"{name}.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


post = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
fallback = dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True, special=bytes_, post=post)
pretrain = p.Metaspace(prepend_scheme="always")
bpe("llama2", n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), p.Split("▁", "merged_with_next"), word, [], **fallback)
not_special("llama2", bytes_[:3])
data = json.loads((folder / "llama2.json").read_text())
data["pre_tokenizer"] = None
(folder / "llama2.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
data["normalizer"] = None
data["pre_tokenizer"] = json.loads(p.Metaspace(prepend_scheme="first", split=False).__getstate__())
data["decoder"] = json.loads(decoders.Metaspace(prepend_scheme="first").__getstate__())
data["model"].update(byte_fallback=False, fuse_unk=False)
(folder / "mistral.json").write_text(json.dumps(data, ensure_ascii=False, separators=(",", ":")))

clip = n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()])
bpe("clip", clip, p.Sequence([p.Split(Regex(r"<\|endoftext\|>|'s|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", True), p.ByteLevel(False)]),
    decoders.Sequence([decoders.ByteLevel(), decoders.Replace("</w>", " ")]), ALPHABET,
    train={"end_of_word_suffix": "</w>"}, end_of_word_suffix="</w>", unk_token="<|endoftext|>")
bpe("suffix", n.Strip(), p.BertPreTokenizer(), decoders.BPEDecoder("</w>"), [], special=["<unk>"],
    train={"end_of_word_suffix": "</w>"}, end_of_word_suffix="</w>", unk_token="<unk>")
bpe("prefix", n.Nmt(), p.WhitespaceSplit(), decoders.WordPiece("##", True), [], special=["<unk>"],
    train={"continuing_subword_prefix": "##"}, continuing_subword_prefix="##", unk_token="<unk>", fuse_unk=True)

for name, normalizer, pre in [
    ("bert", n.BertNormalizer(), p.BertPreTokenizer()),
    ("cased", n.Sequence([n.NFD(), n.StripAccents()]), p.Sequence([p.Whitespace(), p.Punctuation("contiguous")])),
]:
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=60))
    tok.normalizer, tok.pre_tokenizer, tok.decoder = normalizer, pre, decoders.WordPiece()
    tok.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=900, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False, limit_alphabet=300))
    tok.add_tokens(added)
    tok.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    if name == "cased":
        tok.decoder = None
    save(name, tok)

rules = [("\t", " "), ("\n", " "), ("\r", " "), ("\u00a0", " "), ("\u3000", " "), ("\u200b", " "), ("\u200d", ""), ("e\u0301", "é"), ("a\u0308", "ä"),
         ("ﬁ", "fi"), ("½", "1⁄2"), ("㎏", "kg"), ("Ⅷ", "VIII"), ("ﷺ", "صلى الله عليه وسلم"), ("\u0600", "x")] + [(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)]
(folder / "rules.tsv").write_text("".join(" ".join(f"{ord(c):x}" for c in a) + "\t" + " ".join(f"{ord(c):x}" for c in b) + "\n" for a, b in rules))
out = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(english.split("\n")), model_writer=out, vocab_size=300, minloglevel=2, normalization_rule_tsv=str(folder / "rules.tsv"))
(folder / "rules.tsv").unlink()
spm = sentencepiece_model_pb2.ModelProto.FromString(out.getvalue())
charsmap = n.Precompiled(spm.normalizer_spec.precompiled_charsmap)
for name, normalizer, pre, decoder, bytes_too in [
    ("t5", n.Sequence([charsmap, n.Replace(Regex(" {2,}"), " ")]), p.Sequence([p.WhitespaceSplit(), p.Metaspace()]), decoders.Metaspace(), False),
    ("unigram", n.NFKD(), p.Metaspace(prepend_scheme="never"), decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)]), True),
]:
    tok = Tokenizer(models.Unigram())
    tok.normalizer, tok.pre_tokenizer, tok.decoder = normalizer, pre, decoder
    special = ["<pad>", "</s>", "<unk>"] + (bytes_[3:] if bytes_too else [])
    tok.train_from_iterator(corpus, trainers.UnigramTrainer(vocab_size=900, special_tokens=special, unk_token="<unk>", show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    save(name, tok, {"byte_fallback": bytes_too})
    not_special(name, special[:3])
