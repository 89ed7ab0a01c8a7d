// Package corpus turns documents into token shards.
//
// Documents come out of files: a .txt file is one document, each line of a .jsonl file and each row of a .parquet file is
// one, in a named column. Text and lines may be packed (.gz, .zst). Files are named by path, by folder or by https
// address; a download goes on where it broke off.
//
// What it guarantees: equal input gives equal shards, on however many CPUs. Memory does not grow with the input: a text
// is handled in pieces of at most [MaxPiece] bytes, a line has at most [MaxLine], a parquet column is read a page at a
// time, and what is on its way is a fixed number of blocks. No text is both trained on and held out. The folder's
// data.toml appears last: without it, the folder is not a data set.
//
// Text that is not UTF-8 is repaired and counted, never refused: large collections of web text are never quite clean.
//
// The package must not know of swarms, models or devices, nor which tokenizer it is given.
package corpus
