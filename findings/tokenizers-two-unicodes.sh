#!/bin/sh
# tokenizers 0.23.3 knows two editions of Unicode at once: its patterns take letters of Unicode 16 (2024) for \p{L}, and its NFC
# leaves marks that Unicode has had since edition 10 (2017) in the order in which they are written, though a composed text must have
# them by their combining classes. Python 3's unicodedata, of edition 13 or newer, orders them. So who gives the same ids needs
# tables of both editions, or says where ids differ.
# Seen: "letter of Unicode 16: one piece", "mark of Unicode 10: as written".
# It needs python3 with venv; it fails if what was seen changes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install tokenizers==0.23.3
venv/bin/python - <<'P'
import unicodedata
from tokenizers import Regex, normalizers, pre_tokenizers
letter = "\u1c89"  # CYRILLIC CAPITAL LETTER TJE, of Unicode 16
split = pre_tokenizers.Split(Regex(r"\p{L}+"), "isolated")
pieces = len(split.pre_tokenize_str("a" + letter + "b"))
print("letter of Unicode 16:", "one piece" if pieces == 1 else f"{pieces} pieces")
above, below = "\u0301", "\u1df9"  # of classes 230 and, COMBINING WIDE INVERTED BRIDGE BELOW, 220
text = "q" + above + below
composed = normalizers.NFC().normalize_str(text)
assert unicodedata.normalize("NFC", text) == "q" + below + above, "Python orders them"
print("mark of Unicode 10:", "as written" if composed == text else "in order")
assert pieces == 1 and composed == text, "tokenizers behaves otherwise than seen"
P
