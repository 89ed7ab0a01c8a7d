package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Store keeps the results of finished cells in a file, a line of JSON each, so that a table goes on where it was stopped.
type Store struct {
	file  *os.File // nil: in memory only
	known map[string]Result
}

// OpenStore reads the file at path, or makes it; an empty path is no file. What a stop left of a last line is cut off.
func OpenStore(path string) (*Store, error) {
	s := &Store{known: map[string]Result{}}
	if path == "" {
		return s, nil
	}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading finished cells: %w", err)
	}
	whole := bytes.LastIndexByte(b, '\n') + 1
	for i, line := range bytes.Split(b[:whole], []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r Result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("line %d of %s is not a cell: %w", i+1, path, err)
		}
		s.known[r.Cell.key()] = r
	}
	if s.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, fmt.Errorf("keeping finished cells: %w", err)
	}
	if err := s.file.Truncate(int64(whole)); err != nil {
		return nil, errors.Join(fmt.Errorf("keeping finished cells: %w", err), s.file.Close())
	}
	if _, err := s.file.Seek(int64(whole), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("keeping finished cells: %w", err), s.file.Close())
	}
	return s, nil
}

// Find gives the result of a cell with equal settings.
func (s *Store) Find(c Cell) (Result, bool) {
	r, ok := s.known[c.key()]
	return r, ok
}

// Add keeps a result.
func (s *Store) Add(r Result) error {
	s.known[r.Cell.key()] = r
	if s.file == nil {
		return nil
	}
	b, err := json.Marshal(r)
	if err == nil {
		_, err = s.file.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keeping a finished cell: %w", err)
	}
	return nil
}

// Close closes the file.
func (s *Store) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
