package manifest

import (
	"reflect"
	"strings"
)

// keys lists the TOML keys of a manifest.
func keys() []string {
	var out []string
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
			key := prefix + name
			out = append(out, key)
			of := f.Type
			if of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
				of = of.Elem()
			}
			if of.Kind() == reflect.Struct {
				walk(of, key+".")
			}
		}
	}
	walk(reflect.TypeFor[Manifest](), "")
	return out
}

// Nearest returns the known key with the smallest edit distance.
func Nearest(key string, known []string) string {
	best, least := "", 1<<30
	for _, k := range known {
		// A key may be right but in the wrong table.
		d := distance(key, k)
		if tail := k[strings.LastIndexByte(k, '.')+1:]; distance(key, tail) < d {
			d = distance(key, tail)
		}
		if d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
