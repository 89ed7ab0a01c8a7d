#!/usr/bin/env bash
# transformers 5.24.0, Gemma3TextConfig and Olmo3Config.
#
# Older config.json files spell the stretching of rotary positions as
# rope_scaling = {"type": ..., "factor": ...}; later ones call the key
# rope_type. Most classes read both, so one would guess that these two do. They
# do not: each first fills in rope_type = "default" and then updates that object
# with the file's, so "type" stays beside it unread. The model loads without a
# word and its positions are not stretched. With "rope_type" in its place they
# are, and LlamaConfig takes either.
#
# Seen: with factor 8, gemma3_text and olmo3 end with rope_type "default" from
# "type" and "linear" from "rope_type"; llama with "linear" from both.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q transformers==5.24.0
"$dir/venv/bin/python" - <<'PY' 2>/dev/null
from transformers import Gemma3TextConfig, LlamaConfig, Olmo3Config

seen = {}
for cls in (Gemma3TextConfig, Olmo3Config, LlamaConfig):
    for key in ("type", "rope_type"):
        rope = cls(rope_scaling={key: "linear", "factor": 8.0}).rope_parameters
        rope = rope.get("full_attention", rope)
        seen[cls.model_type, key] = rope["rope_type"]
        print(f"{cls.model_type:12} {key:10} -> {rope['rope_type']}, factor {rope.get('factor')}")
want = {
    ("gemma3_text", "type"): "default", ("gemma3_text", "rope_type"): "linear",
    ("olmo3", "type"): "default", ("olmo3", "rope_type"): "linear",
    ("llama", "type"): "linear", ("llama", "rope_type"): "linear",
}
assert seen == want, seen
PY
echo "as described"
