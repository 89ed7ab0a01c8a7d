package xla

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	listSuffix  = ".files.json"
	maxListSize = 64 << 10 // bytes; the longest has 13 files
)

// installed is one file in a set's directory.
type installed struct {
	Name   string `json:"name"` // slashes, below the directory
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// whole tells whether all of s lies in dir: the plugin as pinned, and each file that the lists of its wheels name. It
// compares sizes, and hashes as well if asked to, which reads gigabytes. A set of one wheel needs no list: its plugin
// is pinned, and comes last.
func (s set) whole(dir string, hashes bool) bool {
	plugin := filepath.Join(dir, filepath.FromSlash(s.plugin))
	if !holds(plugin, s.size, s.sum, hashes) {
		return false
	}
	for _, w := range s.wheels {
		if len(s.wheels) > 1 && !listed(dir, w.list(), hashes) {
			return false
		}
	}
	return true
}

// holds tells whether file has the size, and the hash if that is asked for.
func holds(file string, size int64, sum string, hash bool) bool {
	if hash {
		return hashOf(file, size) == sum
	}
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// listed tells whether dir has the list and all files that it names.
func listed(dir, list string, hashes bool) bool {
	f, err := os.Open(filepath.Join(dir, list))
	if err != nil {
		return false
	}
	defer f.Close()
	var files []installed
	if json.NewDecoder(io.LimitReader(f, maxListSize)).Decode(&files) != nil {
		return false
	}
	for _, e := range files {
		if !fs.ValidPath(e.Name) || !holds(filepath.Join(dir, filepath.FromSlash(e.Name)), e.Size, e.SHA256, hashes) {
			return false
		}
	}
	return len(files) > 0
}

// intact tells whether nothing is missing that the lists in dir name; a directory without lists is not murmur's.
func intact(dir string) bool {
	lists, _ := filepath.Glob(filepath.Join(dir, "*"+listSuffix)) // the pattern is well formed
	for _, list := range lists {
		if !listed(dir, filepath.Base(list), false) {
			return false
		}
	}
	return true
}

// replace puts the finished tree in the place of target. The tree that was there goes only after.
func replace(staging, target string) error {
	old := staging + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(target, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(staging, target); err != nil {
		return errors.Join(err, os.Rename(old, target))
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("%s is installed; the one before it stays in %s: %w", target, old, err)
	}
	return nil
}
