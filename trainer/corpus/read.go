package corpus

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/murmurnet/murmur/trainer/lfs"
)

// reader fills blocks in the order of files.
type reader struct {
	column string
	cutter cutter
	strict bool
	take   func(context.Context) (*block, error) // an empty block, when there is one
	emit   func(*block)
}

// read reads one file. A file of a folder that cannot be read is passed over from there on.
func (r *reader) read(ctx context.Context, f *file) error {
	err := f.err
	if err == nil {
		err = r.content(ctx, f)
	}
	if err == nil || ctx.Err() != nil || r.strict || !f.found {
		return err
	}
	b, taken := r.take(ctx)
	if taken != nil {
		return taken
	}
	b.file = f
	b.pass(err)
	r.emit(b)
	return nil
}

func (r *reader) content(ctx context.Context, f *file) (err error) {
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
	// A byte order mark goes, and tells UTF-16, which becomes UTF-8.
	buffered := bufio.NewReaderSize(transform.NewReader(content, unicode.BOMOverride(transform.Nop)), MaxPiece)
	if f.kind == ".jsonl" {
		err = r.json(ctx, f, buffered, counter)
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
	goesOn, skip := false, 0
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
		s := r.cutter.cut(string(buf))
		b.file, b.raw, b.consumed = f, append(b.raw, buf[:s.end]...), counter.taken()
		b.goesOn, b.skip, b.open = goesOn, skip, !last || s.next < len(buf)
		b.ends = append(b.ends, s.end)
		r.emit(b)
		goesOn, skip = true, s.skip
		if buf = append(buf[:0], buf[s.next:]...); last && len(buf) == 0 {
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
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) { // the second where a frame is its own window
		return fmt.Errorf(" needs more than the %d MiB that it is unpacked with here; unpack it first: zstd -d --long=31", maxWindow>>20)
	}
	return fmt.Errorf(" cannot be read to its end: %w", err)
}
