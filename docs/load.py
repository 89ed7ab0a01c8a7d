"""Load a model that `murmur export DIR` wrote, with Hugging Face's transformers, and try it.

    pip install torch transformers
    python docs/load.py DIR ["a text to continue"]
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def tokens_of(folder, config):
    """The model's own tokenizer, or bytes where it has none: murmur's smallest models read bytes."""
    if (folder / "tokenizer.json").exists():
        t = AutoTokenizer.from_pretrained(folder)
        return t.encode, t.decode
    assert config.vocab_size >= 256, "a model without a tokenizer reads bytes"
    return lambda text: list(text.encode()), lambda ids: bytes(i for i in ids if i < 256).decode(errors="replace")


def main():
    folder = Path(sys.argv[1])
    text = sys.argv[2] if len(sys.argv) > 2 else "The Rays of Light "
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    encode, decode = tokens_of(folder, model.config)
    ids = torch.tensor([encode(text)])

    with torch.no_grad():
        loss = model(ids, labels=ids).loss.item()
        for _ in range(80):  # the likeliest token, each time
            window = ids[:, -model.config.max_position_embeddings:]
            ids = torch.cat([ids, model(window).logits[:, -1:].argmax(-1)], dim=1)

    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {model.dtype}")
    print(f"loss on the text: {loss:.3f} nats a token")
    print(decode(ids[0].tolist()))


if __name__ == "__main__":
    main()
