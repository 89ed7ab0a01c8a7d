package manifest

import (
	"reflect"
	"strings"

	"github.com/murmurnet/murmur/proto/setting"
)

// keys lists the TOML keys of a manifest.
func keys() (names []string) {
	for _, k := range setting.Keys(reflect.TypeFor[Manifest](), "toml") {
		names = append(names, k.Name)
	}
	return names
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
