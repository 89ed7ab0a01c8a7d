package worker

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// Lines arrive whole however the bytes are cut.
func TestLineWriter(t *testing.T) {
	for name, c := range map[string]struct {
		in     string
		want   []string
		broken bool
	}{
		"lines":     {"one\ntwo\n\nthree\nrest", []string{"one", "two", "", "three"}, false},
		"fits":      {"12345678\n", []string{"12345678"}, false},
		"overlong":  {"one\n123456789\n", []string{"one"}, true},
		"no end":    {"one\n1234567890123", []string{"one"}, true},
		"refused":   {"one\nno\ntwo\n", []string{"one"}, true},
		"no output": {"", nil, false},
	} {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, whole %v", name, whole), func(t *testing.T) {
				var got []string
				broken := 0
				w := &lineWriter{limit: 8, broken: func(error) { broken++ }, line: func(l []byte) error {
					if string(l) == "no" {
						return errors.New("no")
					}
					got = append(got, string(l))
					return nil
				}}
				var in io.Reader = strings.NewReader(c.in)
				if !whole {
					in = iotest.OneByteReader(in)
				}
				_, err := io.Copy(struct{ io.Writer }{w}, in)
				if !slices.Equal(got, c.want) || (err != nil) != c.broken || (broken == 1) != c.broken {
					t.Errorf("lines %q, error %v, told %d times", got, err, broken)
				}
			})
		}
	}
}

func TestTail(t *testing.T) {
	var lines int
	newTail := func() *tail { lines = 0; return &tail{each: func(string) { lines++ }} }

	few := newTail()
	fmt.Fprint(few, "a\r\n\n  \nb\nc\nd and no end")
	if got := few.last(); got != "b; c; d and no end" || lines != 4 {
		t.Errorf("last lines %q of %d", got, lines)
	}
	many := newTail()
	for i := range 10 * tailLines {
		fmt.Fprintf(many, "line %d\n", i)
	}
	if got := many.last(); got != "line 397; line 398; line 399" || len(many.lines) != tailLines {
		t.Errorf("last lines %q, %d kept", got, len(many.lines))
	}
	dump := newTail()
	fmt.Fprintln(dump, "loading")
	fmt.Fprintln(dump, "panic: index out of range")
	for range 10 * tailLines {
		fmt.Fprintln(dump, "goroutine 7 [running]:")
	}
	if got := dump.last(); got != "panic: index out of range" {
		t.Errorf("of a dump: %q", got)
	}
	endless := newTail()
	for range 100 {
		fmt.Fprint(endless, strings.Repeat("x", 1000))
	}
	if got := len(endless.last()); got > tailTold*(tailWidth+2) || len(endless.held) >= tailLimit {
		t.Errorf("a line without an end: %d bytes told, %d held", got, len(endless.held))
	}
	if got := newTail().last(); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestExchangeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exchange")
	a, err := createExchange(path, 1001)
	must(t, err)
	b, err := openExchange(path, 1001)
	must(t, err)
	for i := range regions {
		ramp(a.vector(i), float32(1000*i))
	}
	for i := range regions {
		if got := b.vector(i); len(got) != 1001 || cap(got) != 1001 {
			t.Errorf("region %d has %d values, room for %d", i, len(got), cap(got))
		}
		wantRamp(t, "the other side's view", b.vector(i), float32(1000*i))
	}
	must(t, b.close())
	if _, err := openExchange(path, 1000); err == nil || !strings.Contains(err.Error(), "16108 bytes") {
		t.Errorf("a file of the wrong size: %v", err)
	}
	// A file that a dead daemon left is replaced, and whoever still has it keeps it.
	c, err := createExchange(path, 10)
	must(t, err)
	wantRamp(t, "the old file", a.vector(0), 0)
	must(t, errors.Join(a.close(), c.close()))
}
