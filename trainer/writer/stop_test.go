package writer

import (
	"strings"
	"testing"
)

func TestStopper(t *testing.T) {
	for _, test := range []struct {
		stops, pieces []string
		want          string
		ended         bool
	}{
		{nil, []string{"a", "b"}, "ab", false},
		{[]string{"\n\n"}, []string{"one\n", "two\n", "\nthree"}, "one\ntwo", true},
		{[]string{"END"}, []string{"E", "N", "X", "END"}, "ENX", true},
		{[]string{"END"}, []string{"the E", "N"}, "the EN", false},
		{[]string{"bc", "abcd"}, []string{"xabcd"}, "x", true},
		{[]string{"ab"}, []string{"aaa", "b"}, "aa", true},
	} {
		s, err := newStopper(test.stops)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		ended := false
		for _, p := range test.pieces {
			var told string
			if told, ended = s.push(p); true {
				got.WriteString(told)
			}
			if ended {
				break
			}
		}
		got.WriteString(s.held)
		if got.String() != test.want || ended != test.ended {
			t.Errorf("%q in %q: %q, ended %v", test.stops, test.pieces, got.String(), ended)
		}
	}
	for _, bad := range [][]string{{""}, {strings.Repeat("x", 257)}, make([]string, 9)} {
		if _, err := newStopper(bad); err == nil {
			t.Errorf("%d stops were taken", len(bad))
		}
	}
}
