package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/murmurnet/murmur/proto"
)

const (
	// MaxTokens bounds one shard: 128 MiB of two-byte tokens, a few minutes of a home line.
	MaxTokens = 1 << 26
	// MaxVocab bounds the vocabulary: ids are int32 everywhere.
	MaxVocab = math.MaxInt32

	magic      = "mmts"
	version    = 1
	headerSize = 24
	extension  = ".shard"
)

// ErrDamaged is what a file that is no whole shard, or not the one that its name says, is refused with. To fetch it again
// may help.
var ErrDamaged = errors.New("is damaged")

// FileName is the name of a shard's file.
func FileName(id proto.ID) string { return id.String() + extension }

// header is what the first bytes of a shard say.
type header struct {
	vocab  int
	tokens int
}

// width is the bytes that one token takes.
func width(vocab int) int {
	if vocab <= 1<<16 {
		return 2
	}
	return 4
}

// sizeOf is the bytes of a shard.
func sizeOf(vocab int, tokens uint64) uint64 { return headerSize + tokens*uint64(width(vocab)) }

func (h header) append(b []byte) []byte {
	b = append(b, magic...)
	b = append(b, version, byte(width(h.vocab)), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.vocab))
	b = append(b, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint64(b, uint64(h.tokens))
}

// parseHeader reads a header and holds it against the size of the file.
func parseHeader(b []byte, size int64) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: it ends within its header, after %d bytes", ErrDamaged, len(b))
	}
	if string(b[:4]) != magic {
		return header{}, fmt.Errorf("%w: it does not begin as a token shard does", ErrDamaged)
	}
	if b[4] != version {
		return header{}, fmt.Errorf("is of version %d, this murmur reads version %d: use a newer murmur", b[4], version)
	}
	vocab, tokens := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint64(b[16:])
	if vocab < 1 || vocab > MaxVocab || int(b[5]) != width(int(vocab)) || b[6]|b[7]|b[12]|b[13]|b[14]|b[15] != 0 {
		return header{}, fmt.Errorf("%w: its header makes no sense (%d bytes a token, vocabulary %d)", ErrDamaged, b[5], vocab)
	}
	if tokens < 1 || tokens > MaxTokens {
		return header{}, fmt.Errorf("%w: its header says %d tokens, a shard has 1 to %d", ErrDamaged, tokens, MaxTokens)
	}
	if want := sizeOf(int(vocab), tokens); uint64(size) != want {
		return header{}, fmt.Errorf("%w: it has %d bytes, its header says %d", ErrDamaged, size, want)
	}
	return header{int(vocab), int(tokens)}, nil
}

// decode reads len(dst) tokens from b, and returns the index of the first that is not below the vocabulary, or -1.
func (h header) decode(dst []int32, b []byte) int {
	bad := -1
	if width(h.vocab) == 2 {
		for i := range dst {
			dst[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
			if int(dst[i]) >= h.vocab && bad < 0 {
				bad = i
			}
		}
		return bad
	}
	for i := range dst {
		v := binary.LittleEndian.Uint32(b[4*i:])
		dst[i] = int32(v)
		if v >= uint32(h.vocab) && bad < 0 {
			bad = i
		}
	}
	return bad
}

// encode is the other way; tokens are known to be below the vocabulary.
func (h header) encode(dst []byte, tokens []int32) []byte {
	if width(h.vocab) == 2 {
		for _, t := range tokens {
			dst = binary.LittleEndian.AppendUint16(dst, uint16(t))
		}
		return dst
	}
	for _, t := range tokens {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(t))
	}
	return dst
}
