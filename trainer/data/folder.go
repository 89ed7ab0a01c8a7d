package data

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// MaxFolder bounds the text of a folder in bytes: it is held in memory, four bytes a token.
const MaxFolder = 1 << 30

// Texts lists the text files (*.txt) directly in a folder, by their names: at least one.
func Texts(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(escaped(dir), "*.txt"))
	if err != nil {
		return nil, fmt.Errorf("looking for text in %s: %w", dir, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there are no text files (*.txt) in %s", dir)
	}
	return paths, nil
}

// Folder reads the texts of a folder as one. It is what a node trains on alone: nothing of it leaves this process but what
// the model learns.
func Folder(dir string) ([]byte, error) {
	paths, err := Texts(dir)
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, p := range paths {
		b, err := readAtMost(p, MaxFolder-len(text))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", p, err)
		}
		text = append(append(text, b...), '\n')
	}
	return text, nil
}

var errLarge = errors.New("the folder's text is larger than 1 GiB")

func readAtMost(path string, most int) (b []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if b, err = io.ReadAll(io.LimitReader(f, int64(most)+1)); err == nil && len(b) > most {
		err = errLarge
	}
	return b, err
}

// escaped takes a path for its name, not for a pattern.
func escaped(dir string) string {
	if os.PathSeparator == '\\' {
		return dir // backslashes separate there, and cannot escape
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
