// Package codec turns a vector of differences into few bytes and adds such bytes to a vector again.
//
// [OneBit] keeps the sign of every coordinate and the mean magnitude of every chunk (1-bit SGD, Seide et al. 2014; the
// scaled sign of Karimireddy et al. 2019). Chunks hold 4096 parameters and end with their tensor. A payload is
//
//	offset  bytes      what
//	0       4          "mmpd"
//	4       1          version, 1
//	5       1          bits a parameter, 1
//	6       2          parameters a chunk, little-endian like all that follows
//	8       8          parameters in all
//	16      4·chunks   float32: mean |d| of each chunk, 0 … [MaxScale]
//	…       …          signs, a bit a parameter, lowest bit first, 1 where d < 0; a chunk's last byte is filled with zeros
//
// and decodes to z = ±scale. One payload has one encoding.
//
// Adding payloads to a vector is exact: it gives the same bits on every CPU and for any number of goroutines, because
// each coordinate sees the same float32 additions in the same order, and every product is rounded by an explicit
// conversion before it is added, so no compiler may fuse the two. It relies on IEEE 754 with subnormal numbers, which Go
// has everywhere; a thread on which a C library left flush-to-zero switched on would break it.
//
// The package knows neither rounds nor weights; trainer/outer does.
package codec
