"""Writes what Hugging Face's tokenizers makes of texts: reference.py FOLDER

For each tokenizer NAME.json of the folder it writes NAME.ref with the ids of each text and what they decode to, null
where that is the text. The texts are those of FOLDER/texts, a JSON list; without that file it is made first, of 1 MB, the same each time.
"""

import json
import pathlib
import random
import sys

import tokenizers

SNIPPETS = [
    "The quick brown fox jumps over the lazy dog. ", "It's what we've said: they'll go, I'd stay, you're IN'T 'S 'LL. ",
    "def f(x):\n    return {k: v**2 for k, v in x.items()}  # ok\n", "\tif (a != b && c->d[3] >= 0x1F) { i++; }\r\n",
    "<p class=\"a\">&amp;</p>\n\n\n", "SELECT * FROM t WHERE id=42;--\n", "https://example.org/a?b=c#d ", "snake_case camelCase HTTPServer ",
    "Größe, Ärger, naïve café, Ελληνικά γράμματα ", "Ещё один день, съешь же. ", "中文字符，没有空格。 ", "日本語のテキストとカタカナ ",
    "한국어 문장입니다. ", "مرحبا بالعالم ", "שלום עולם ", "हिन्दी में लिखा ", "ภาษาไทย ", "Tiếng Việt ", "ქართული ", "አማርኛ ",
    "e\u0301a\u0308o\u0302\u0323 \u0301x ", "ﬁne ½ ² ㎏ ℌ Ⅷ ＡＢＣ １２ ", "İıſßẞΣς ", "ǅǆ ʰˢ ª º ", "a\u200db\u200cc\ufeffd\u00ade\u2060 ",
    "😀👍🏽👨‍👩‍👧‍👦🇩🇪❤️ ", "𝔘𝔫𝔦 𐍈 𠀀 ", "1234567890 3.14 1,000 ٣٤ ४५ Ⅻ 1a2b ", "\x00\x01\x07\x1b[0m\x7f\x85\x9f ", "\u00a0\u2003\u3000\u2028\u2029\u1680 ",
    "    ", "\t\t", "\n", "\r\n", "\r", " \n \r\n  ", " " * 37, "\n" * 9, "a" * 80, "=" * 61, "!?...—–«»“”‘’ ",
    "\ufffd \u0378 \ue000 \uffff \U0010ffff ", "<s> </s> <unk> <|endoftext|> <|im_end|> <0x41> ▁ Ġ ## [SEP][UNK] [MASK] ", " 's 't  're 'ſ 'LL'lL ",
]


def texts(size=1_000_000):
    rand = random.Random(6)
    plane = [(0x20, 0x7F), (0xA0, 0x24F), (0x370, 0x52F), (0x900, 0x97F), (0x3041, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0x1F300, 0x1F64F)]
    out, total = [], 0
    while total < size:
        goal = rand.choice([1, 3, 20, 200, 2000]) if len(out) != 7 else size // 5
        text = ""
        while len(text) < goal:
            roll = rand.random()
            if roll < 0.8:
                text += rand.choice(SNIPPETS)
            elif roll < 0.9:
                text += "".join(rand.choice("etaoinshrdlu ,.") for _ in range(rand.randrange(30)))
            else:
                text += "".join(chr(rand.randint(*rand.choice(plane))) for _ in range(rand.randrange(6)))
        start = rand.randrange(3)
        out.append(text[start : max(goal, 1) + start])
        total += len(out[-1].encode())
    return out


def main(folder):
    if not (folder / "texts").exists():
        (folder / "texts").write_text(json.dumps(texts()))
    given = json.loads((folder / "texts").read_text())
    for path in sorted(folder.glob("*.json")):
        tok = tokenizers.Tokenizer.from_file(str(path))
        tok.no_truncation()
        tok.no_padding()
        ids = [e.ids for e in tok.encode_batch(given, add_special_tokens=False)]
        back = [None if a == b else b for a, b in zip(given, tok.decode_batch(ids))]
        path.with_suffix(".ref").write_text(json.dumps({"ids": ids, "texts": back}, ensure_ascii=False, separators=(",", ":")))
        print(path.name, sum(map(len, ids)), "ids")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
