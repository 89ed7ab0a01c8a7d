package home

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiskVersion(t *testing.T) {
	for name, c := range map[string]struct{ has, says string }{
		"new":             {"", ""},
		"of this one":     {"3\n", ""},
		"of an older one": {"2\n", "was written by an older murmur (disk version 2, this one reads 3)"},
		"of a newer one":  {"4\n", "was written by a newer murmur (disk version 4, this one reads 3): install the newer one again"},
		"damaged":         {"one", "holds no number"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Dir(t.TempDir())
			file := filepath.Join(string(d), "version")
			if c.has != "" {
				if err := os.WriteFile(file, []byte(c.has), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			unlock, err := d.Lock()
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("%v, want %q", err, c.says)
				}
				if b, _ := os.ReadFile(file); string(b) != c.has {
					t.Fatalf("%q was changed into %q", c.has, b)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := unlock(); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(file); err != nil || string(b) != "3\n" {
				t.Fatalf("%q, %v", b, err)
			}
		})
	}
}
