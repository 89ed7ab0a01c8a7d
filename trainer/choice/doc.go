// Package choice evaluates a language model on multiple-choice tasks by log-likelihood: ARC-Easy, ARC-Challenge,
// HellaSwag, OpenBookQA, PIQA and WinoGrande, zero-shot, from JSONL files with the fields that the data sets have on
// Hugging Face.
//
// Prompts, continuations, their split into tokens and the accuracies are those of lm-evaluation-harness 0.4.13, so a
// score can be held against any that it gave; testdata holds what the harness said of a tiny model. The package
// reads and counts: tokenizer and model come in as an interface and a function, and it knows nothing of GoMLX, swarms
// or rounds.
package choice
