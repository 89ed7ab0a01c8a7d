package corpus

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// maxFiles bounds a folder: a million names take a few hundred MB.
const maxFiles = 1 << 20

// source is where documents are asked from: a path or an address.
type source struct {
	name   string   // as it was given, less a checksum or password
	url    *url.URL // nil for a path
	sha256 string   // in hexadecimal; "" when nobody knows
}

// file is one file of a source.
type file struct {
	name   string // as people know it
	path   string
	size   int64
	source int
	found  bool  // in a folder, where nobody named it
	err    error // why it is not read
	format
}

// parseSource reads what a person wrote: PATH, https://… or https://…#sha256=HEX.
func parseSource(text string) (source, error) {
	if !strings.Contains(text, "://") {
		if text == "" {
			return source{}, errors.New("an empty name is no source")
		}
		return source{name: text}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return source{}, fmt.Errorf("%q is not an address: use https://HOST/PATH", text)
	}
	s := source{url: u}
	fragment := u.Fragment
	u.Fragment, u.RawFragment = "", ""
	s.name = u.Redacted()
	if err := fetchable(u); err != nil {
		return source{}, fmt.Errorf("%s: %w", s.name, err)
	}
	if _, ok := formatOf(path.Base(u.Path)); !ok {
		return source{}, fmt.Errorf("%s is of no kind that murmur reads: %s", s.name, formats)
	}
	if fragment != "" {
		sum, ok := strings.CutPrefix(fragment, "sha256=")
		if b, err := hex.DecodeString(sum); !ok || err != nil || len(b) != 32 {
			return source{}, fmt.Errorf("%s#%s: a checksum is written #sha256= and 64 hexadecimal digits", s.name, fragment)
		}
		s.sha256 = strings.ToLower(sum)
	}
	return s, nil
}

// fetchable refuses addresses whose answers anyone on the way could have written.
func fetchable(u *url.URL) error {
	switch {
	case u.Host == "":
		return errors.New("the address names no host")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("http is not protected on its way: use https")
	}
	return fmt.Errorf("cannot fetch by %s, only by https", u.Scheme)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// expand lists the files of a path: itself, or in a folder all files of the known kinds, at any depth, sorted by path.
// Names that begin with a dot, and the folder that prepare writes to, are passed over.
func (s source) expand(index int, out string) ([]file, error) {
	info, err := os.Stat(s.name)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if !info.IsDir() {
		f, err := newFile(s.name, s.name, index)
		return []file{f}, err
	}
	root, err := filepath.EvalSymlinks(s.name) // WalkDir does not enter a link
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	target, _ := os.Stat(out) // may not be there yet
	var files []file
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p != root && strings.HasPrefix(d.Name(), ".") {
			return skip(d)
		}
		if d.IsDir() {
			if info, err := d.Info(); err == nil && target != nil && os.SameFile(info, target) {
				return skip(d)
			}
			return nil
		}
		if _, ok := formatOf(d.Name()); !ok {
			return nil
		}
		if len(files) == maxFiles {
			return fmt.Errorf("more than %d files: put many documents into one .jsonl", maxFiles)
		}
		f, err := newFile(p, p, index)
		if err != nil {
			f = file{name: p, source: index, err: err}
		}
		f.found = true
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", s.name, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("source %s holds no file that murmur reads: %s", s.name, formats)
	}
	return files, nil
}

func skip(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// newFile looks at a file that was named, found or fetched.
func newFile(name, at string, index int) (file, error) {
	f, ok := formatOf(at)
	if !ok {
		return file{}, fmt.Errorf("source %s is of no kind that murmur reads: %s", name, formats)
	}
	info, err := os.Stat(at) // follows links: caches of downloads are full of them
	if err != nil {
		return file{}, fmt.Errorf("source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return file{}, fmt.Errorf("source %s is not a file", name)
	}
	return file{name: name, path: at, size: info.Size(), source: index, format: f}, nil
}
