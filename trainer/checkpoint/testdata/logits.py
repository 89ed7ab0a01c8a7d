"""Loads folders by transformers, or by peft where they name an adapter, and compares logits with the expected ones: JSON on standard input."""

import base64
import json
import sys

import torch
from transformers import AutoModelForCausalLM

bad = False
for folder in json.load(sys.stdin):
    model, told = AutoModelForCausalLM.from_pretrained(folder["Dir"], attn_implementation="eager", output_loading_info=True)
    loading = {key: sorted(names) for key, names in told.items() if names and key != "conversion_errors"}
    key = "logits"
    if folder["Adapter"]:
        from peft import PeftModel

        model, key = PeftModel.from_pretrained(model, folder["Adapter"]), "final_logits"
    for path in folder["Expected"]:
        want = json.load(open(path))
        with torch.no_grad():
            got = model.eval()(torch.tensor(want["inputs"])).logits
        expected = torch.frombuffer(bytearray(base64.b64decode(want[key])), dtype=torch.float32).reshape(got.shape)
        off = (got - expected).abs().max().item()
        bad = bad or off > 1e-4 or bool(loading)
        print(f"{model.config.model_type}: {key} {off:.2g} off {loading or ''}")
sys.exit(bad)
