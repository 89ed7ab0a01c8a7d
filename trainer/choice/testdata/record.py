"""Writes expected.json and tokenizer.json: what lm-evaluation-harness says of the checkpoint in
trainer/checkpoint/testdata on the invented items beside this file, with two tokenizers.

    pip install lm-eval==0.4.13 torch==2.15.0 transformers==5.23.0 accelerate
    python record.py
"""
import collections, json, pathlib, tempfile

import lm_eval, lm_eval.tasks
from lm_eval.models.huggingface import HFLM
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

here = pathlib.Path(__file__).parent
tasks = ["arc_easy", "arc_challenge", "hellaswag", "openbookqa", "piqa", "winogrande"]
source = pathlib.Path(lm_eval.tasks.__file__).parent
definitions = {"arc_easy": "arc/arc_easy", "arc_challenge": "arc/arc_challenge", "winogrande": "winogrande/default"}


def byte_tokenizer():
    """Every byte a token; byte 2 ends a document, nothing begins one."""
    chars = [byte_chars()[b] for b in range(256)]
    t = Tokenizer(models.BPE({c: i for i, c in enumerate(chars)}, []))
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=t, eos_token=chars[2])


def byte_chars():
    """The characters that stand for bytes in a byte-level vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    chars = {b: chr(b) for b in printable}
    for b in range(256):
        if b not in chars:
            chars[b] = chr(256 + len(chars) - len(printable))
    return chars


def piece_tokenizer():
    """Longest match first over characters and frequent pieces, some of which join a context and a continuation;
    a text begins with <s>."""
    text = "".join(v for name in tasks for line in (here / f"{name}.jsonl").open() for v in strings(json.loads(line)))
    text += "Question: \nAnswer: É"  # the last from a capitalised é
    vocab = ["<s>", "</s>", "<unk>", *sorted(set(text)), ": ", "s ", "\nAnswer"]
    vocab += [chr(c) for c in range(32, 127) if chr(c) not in vocab]
    pieces = collections.Counter(text[i : i + n] for n in (2, 3, 4) for i in range(len(text) - n))
    for piece, _ in sorted(pieces.items(), key=lambda p: (-p[1] * len(p[0]), p[0])):
        if len(vocab) < 256 and piece not in vocab:
            vocab.append(piece)
    model = models.WordPiece({p: i for i, p in enumerate(vocab)}, unk_token="<unk>", max_input_chars_per_word=1000)
    model.continuing_subword_prefix = ""
    t = Tokenizer(model)
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    (here / "tokenizer.json").write_text(t.to_str() + "\n")
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def strings(value):
    if isinstance(value, dict):
        unused = {"id", "ctx", "source_id", "split", "split_type", "label", "answerKey"}
        value = [v for k, v in value.items() if k not in unused]
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [value] if isinstance(value, str) else []


def local_tasks(folder):
    """The harness' own task definitions, reading the files here."""
    for name in tasks:
        data = {split: str(here / f"{name}.jsonl") for split in ("train", "validation", "test")}
        (folder / f"{name}.yaml").write_text(json.dumps({
            "include": str(source / (definitions.get(name, f"{name}/{name}") + ".yaml")),
            "task": "local_" + name, "tag": None,
            "dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": data},
        }))
    return lm_eval.tasks.TaskManager(include_path=str(folder))


def main():
    model = AutoModelForCausalLM.from_pretrained(here / "../../checkpoint/testdata")
    expected = {name: {} for name in tasks}
    for kind, tokenizer in (("bytes", byte_tokenizer()), ("pieces", piece_tokenizer())):
        with tempfile.TemporaryDirectory() as folder:
            out = lm_eval.simple_evaluate(
                model=HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4, device="cpu"),
                tasks=["local_" + name for name in tasks], task_manager=local_tasks(pathlib.Path(folder)),
                log_samples=True, bootstrap_iters=1)
        for name in tasks:
            r = out["results"]["local_" + name]
            samples = sorted(out["samples"]["local_" + name], key=lambda s: s["doc_id"])
            measures = ("acc", "acc_stderr", "acc_norm", "acc_norm_stderr")
            expected[name]["prompts"] = Rows([list(a) for a in s["arguments"]] for s in samples)
            expected[name][kind] = {m: r[m + ",none"] for m in measures if m + ",none" in r}
            expected[name][kind]["log_likelihoods"] = Rows(
                [round(float(x[0][0]), 5) for x in s["resps"]] for s in samples)
    (here / "expected.json").write_text(written(expected) + "\n")


class Rows(list):
    """A list of which each element has its own line."""


def written(value, indent="\n"):
    deeper = indent + " "
    if isinstance(value, Rows):
        return "[" + deeper + ("," + deeper).join(json.dumps(v, ensure_ascii=False) for v in value) + indent + "]"
    if isinstance(value, dict):
        fields = (f"{json.dumps(k)}: {written(v, deeper)}" for k, v in value.items())
        return "{" + deeper + ("," + deeper).join(fields) + indent + "}"
    return json.dumps(value)


main()
