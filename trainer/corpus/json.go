package corpus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
)

// items gives the JSON values of a file, each appended to dst as one line. A value of more than MaxLine is passed over: tooLong.
type items interface {
	next(dst []byte) (out []byte, tooLong bool, err error) // err is io.EOF behind the last
}

// json reads a file of JSON objects: one a line, or the items of one array.
func (r *reader) json(ctx context.Context, f *file, in *bufio.Reader, counter *counted) error {
	var all items = &lines{in}
	item := "line"
	if first, err := firstByte(in); err == nil && first == '[' {
		all, item = &array{in: in}, "item"
	}
	for number, end := 1, false; !end; {
		b, err := r.take(ctx)
		if err != nil {
			return err
		}
		b.file, b.line, b.item = f, number, item
		for !end && len(b.raw) < blockSize {
			var tooLong bool
			b.raw, tooLong, err = all.next(b.raw)
			if tooLong {
				b.long = append(b.long, number)
				b.raw = append(b.raw, '\n') // its place: the next keep their numbers
			}
			number++
			if end = errors.Is(err, io.EOF); err != nil && !end {
				return unreadable(err)
			}
		}
		b.consumed = counter.taken()
		r.emit(b)
	}
	return nil
}

// firstByte looks for the first byte that is no space, in what one look shows.
func firstByte(in *bufio.Reader) (byte, error) {
	seen, err := in.Peek(512)
	if seen = bytes.TrimLeft(seen, " \t\r\n"); len(seen) > 0 {
		return seen[0], nil
	}
	return 0, err
}

// lines gives each line.
type lines struct{ in *bufio.Reader }

func (l *lines) next(dst []byte) (out []byte, tooLong bool, err error) {
	start := len(dst)
	for {
		part, err := l.in.ReadSlice('\n')
		if len(dst)-start+len(part) > MaxLine {
			dst, tooLong = dst[:start], true
		}
		if !tooLong {
			dst = append(dst, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, tooLong, err
		}
	}
}

// array gives the items of an array, or of several one behind the other.
type array struct {
	in   *bufio.Reader
	open bool // a bracket is read, and its other is not
}

var errNoArray = errors.New("something that is no array stands behind one")

func (a *array) next(dst []byte) (out []byte, tooLong bool, err error) {
	start, depth, quoted, escaped := len(dst), 0, false, false
	for {
		c, err := a.in.ReadByte()
		if errors.Is(err, io.EOF) && a.open {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return dst[:start], tooLong, err
		}
		switch {
		case quoted:
			quoted, escaped = c != '"' || escaped, c == '\\' && !escaped
		case !a.open:
			if a.open = c == '['; !a.open && !bytes.ContainsRune([]byte(" \t\r\n"), rune(c)) {
				return dst, false, errNoArray
			}
			continue
		case c == '"':
			quoted = true
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			if a.open = c == ','; tooLong {
				return dst, true, nil
			}
			return append(dst, '\n'), false, nil
		case c == ']' || c == '}':
			depth--
		case c == '\n':
			c = ' '
		}
		if len(dst)-start >= MaxLine {
			dst, tooLong = dst[:start], true
		}
		if !tooLong {
			dst = append(dst, c)
		}
	}
}
