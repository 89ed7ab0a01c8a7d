// Package shard keeps tokens in files: one token shard a file, named by the hash of its bytes, and the list of shards that
// make up a data set.
//
// A shard is a header of 24 bytes and its tokens, with nothing behind them; all numbers are little-endian:
//
//	 0  "mmts"
//	 4  version, 1
//	 5  bytes a token: 2 where the vocabulary has at most 65536 ids, else 4
//	 6  two zero bytes
//	 8  uint32: the vocabulary; every token is below it
//	12  four zero bytes
//	16  uint64: how many tokens, 1 to MaxTokens
//	24  the tokens
//
// Equal tokens make equal bytes, and so the same name: the root of the tree hash of package proto. A file appears under
// its name whole and durable, or not at all. Files may come from strangers: nothing here panics on any bytes, or
// allocates by what a header claims.
//
// The package must not know where tokens come from, who trains on them, or how files travel.
package shard
