package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkAppend measures the tokenizers of MURMUR_TOKENIZERS, without it the small ones, on English and on the mixed
// text of the reference.
func BenchmarkAppend(b *testing.B) {
	dir := os.Getenv("MURMUR_TOKENIZERS")
	if dir == "" {
		dir = filepath.Join("testdata", "small")
	}
	english, err := os.ReadFile(filepath.Join("..", "data", "opticks.txt"))
	if err != nil {
		b.Fatal(err)
	}
	var texts []string
	readJSON(b, filepath.Join(dir, "texts"), &texts)
	paths, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		tok, err := Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		for kind, text := range map[string]string{"english": string(english), "mixed": strings.Join(texts, "")} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				var ids []int32
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					ids = tok.Append(ids[:0], text)
				}
			})
		}
	}
}

// BenchmarkParse measures reading the same files.
func BenchmarkParse(b *testing.B) {
	paths, _ := filepath.Glob(filepath.Join("testdata", "small", "*.json"))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, err := Parse(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
