// Package codec turns a vector of differences into few bytes and subtracts such bytes from a vector again.
//
//	OneBit   the sign of every coordinate, the mean magnitude of every chunk (1-bit SGD, Seide et al. 2014; the scaled
//	         sign of Karimireddy et al. 2019)
//	TwoBit   the sign of every coordinate and which of its chunk's two levels the magnitude is (Lloyd 1982)
//	Values   every coordinate as float32, half, 8 bits or 4
//	Sparse   the largest coordinates of every chunk, with two bits each
//	Cosine   the largest coefficients of the cosine transform of every block
//
// A [Cover] says which parameters of the flat vector a codec is for; the others are neither read nor changed. Of the
// first four, chunks hold some number of parameters and end with their tensor. Payloads begin with
//
//	offset  bytes  what
//	0       4      "mmpd"
//	4       1      version, 1
//	5       1      kind: the bits a parameter takes, where all are sent
//	6       2      parameters a chunk, little-endian like all that follows
//	8       8      parameters in all
//
// and what stands there and below must be what the codec expects: nothing in a payload says how long it is. Those of
// the first three go on with
//
//	16      4·s·chunks  float32s of each chunk: OneBit's scale, mean |d|; TwoBit's low and high level; the scale of
//	                    Values in Int8 and FP4; none in FP32 and FP16. 0 … [MaxScale]
//	…       …           chunk by chunk, filled with zeros to a whole byte: signs, a bit a parameter, lowest first, 1 where
//	                    d < 0; behind those of TwoBit, 1 where the level is high; or the values, the first lowest
//
// and decode to z = ±scale, ±level or scale·value. No value is −0. For OneBit and Values, one z has one payload.
//
// Subtracting payloads from a vector is exact: it gives the same bits on every CPU and for any number of goroutines,
// because each coordinate sees the same float32 operations in the same order, and every product is rounded by an explicit
// conversion before it is added, so no compiler may fuse the two. It relies on IEEE 754 with subnormal numbers, which Go
// has everywhere; a thread on which a C library left flush-to-zero switched on would break it. Encoders are made the same
// way, so a difference has one payload, too.
//
// The package knows neither rounds nor methods; trainer/outer does.
package codec
