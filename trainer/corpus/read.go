package corpus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/murmurnet/murmur/trainer/lfs"
)

// reader fills blocks in the order of files.
type reader struct {
	column string
	take   func(context.Context) (*block, error) // an empty block, when there is one
	emit   func(*block)
}

// read reads one file.
func (r *reader) read(ctx context.Context, f *file) (err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := lfs.Check(in); err != nil {
		return fmt.Errorf("%s %w", f.name, err)
	}
	if f.kind == ".parquet" {
		return r.rows(ctx, f, in)
	}
	counter := &counted{Reader: in}
	content, done, err := f.unpack(counter)
	if err != nil {
		if errors.Is(err, io.EOF) && f.size == 0 {
			return nil // of no bytes; whether the source is empty shows at its end
		}
		return fmt.Errorf("%s %w", f.name, err)
	}
	defer done()
	buffered := bufio.NewReaderSize(content, MaxPiece)
	if mark, _ := buffered.Peek(3); string(mark) == "\ufeff" {
		_, _ = buffered.Discard(3) // three bytes that are there
	}
	if f.kind == ".jsonl" {
		err = r.jsonl(ctx, f, buffered, counter)
	} else {
		err = r.text(ctx, f, buffered, counter)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s%w", f.name, err)
	}
	return err
}

// counted counts what is read.
type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// taken is how much was read since the last call.
func (c *counted) taken() int64 {
	n := c.n
	c.n = 0
	return n
}

// text reads a file that is one document.
func (r *reader) text(ctx context.Context, f *file, in io.Reader, counter *counted) error {
	var buf []byte
	for {
		have := len(buf)
		buf = append(buf, make([]byte, MaxPiece+1-have)...)
		n, last, err := fill(in, buf[have:])
		if err != nil {
			return unreadable(err)
		}
		buf = buf[:have+n]
		if len(buf) == 0 {
			return nil
		}
		b, err := r.take(ctx)
		if err != nil {
			return err
		}
		n = cut(string(buf))
		b.file, b.raw, b.open, b.consumed = f, append(b.raw, buf[:n]...), !last || n < len(buf), counter.taken()
		b.ends = append(b.ends, n)
		r.emit(b)
		if buf = append(buf[:0], buf[n:]...); last && len(buf) == 0 {
			return nil
		}
	}
}

// fill reads until dst is full or the input ends. io.ReadFull would not tell an end from a packed file that is cut short.
func fill(in io.Reader, dst []byte) (n int, end bool, err error) {
	for n < len(dst) {
		m, err := in.Read(dst[n:])
		n += m
		if errors.Is(err, io.EOF) {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

func unreadable(err error) error {
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return fmt.Errorf(" needs more than the %d MiB that it is unpacked with here; unpack it first: zstd -d --long=31", maxWindow>>20)
	}
	return fmt.Errorf(" cannot be read to its end: %w", err)
}

// jsonl reads whole lines.
func (r *reader) jsonl(ctx context.Context, f *file, in *bufio.Reader, counter *counted) error {
	for line := 1; ; {
		b, err := r.take(ctx)
		if err != nil {
			return err
		}
		b.file, b.line = f, line
		start, end := 0, false
		for !end && (len(b.raw) < blockSize || start < len(b.raw)) { // whole lines
			part, err := in.ReadSlice('\n')
			b.raw = append(b.raw, part...)
			switch {
			case len(b.raw)-start > MaxLine:
				return fmt.Errorf(", line %d: longer than %d MiB", line, MaxLine>>20)
			case err == nil:
				line, start = line+1, len(b.raw)
			case errors.Is(err, io.EOF):
				end = true
			case !errors.Is(err, bufio.ErrBufferFull):
				return unreadable(err)
			}
		}
		b.consumed = counter.taken()
		r.emit(b)
		if end {
			return nil
		}
	}
}
