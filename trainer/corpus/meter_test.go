package corpus

import (
	"strings"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	for _, tc := range []struct {
		terminal bool
		want     string
	}{
		{true, "\rpreparing [..............................]   1 % of 100 MB" +
			"\rpreparing [###############...............]  50 % of 100 MB, 25.0 MB/s, 12.0 M tokens" +
			"\rpreparing [##############################] 100 % of 100 MB, 49.5 MB/s, 20.0 M tokens\n" +
			"\rdownloading a.txt 1.5 kB\n"},
		{false, "preparing: 0 % of 100 MB\n" +
			"preparing: 50 % of 100 MB, 25.0 MB/s, 12.0 M tokens\n" +
			"preparing: 100 % of 100 MB, 49.5 MB/s, 20.0 M tokens\n"},
	} {
		var b strings.Builder
		m := NewMeter(&b, tc.terminal)
		at := time.Unix(0, 0)
		m.now = func() time.Time { return at }
		m.Show(Progress{"preparing", 1e6, 100e6, 0})
		at = at.Add(1960 * time.Millisecond)
		m.Show(Progress{"preparing", 50e6, 100e6, 12e6})
		at = at.Add(40 * time.Millisecond)
		if tc.terminal {
			m.Show(Progress{"preparing", 61e6, 100e6, 13e6}) // too soon to redraw
		}
		m.Show(Progress{"preparing", 100e6, 100e6, 20e6})
		m.Show(Progress{"downloading a.txt", 1500, 0, 0})
		m.End()
		if got := b.String(); got != tc.want {
			t.Errorf("%q\nwant\n%q", got, tc.want)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_400: "99.4 kB", 123_456: "123 kB", 999_600: "1.0 MB", 5e15: "5000 TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
