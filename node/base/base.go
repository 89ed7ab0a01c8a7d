// Package base finds the files of the model under a swarm's adapter on this machine, so that who has them does not fetch them.
//
// A file is taken by its hash alone, whatever its name, and lies in the library as a second name of the same bytes where the file system allows.
// It must not know how files are fetched.
package base

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/trainer/shard"
)

// maxLooked bounds the files of a folder that are looked at.
const maxLooked = 4096

// Params say where to look.
type Params struct {
	Library *library.Library
	Wanted  []shard.Blob
	Folder  string // the one that the user named, which must have a wanted file; "": Cache is looked at
	Cache   string // of Hugging Face's libraries; "" for none
}

// Find puts what is here of the wanted files into the library, and says how many of them are there then, and from where. Of a folder that was named
// and has none it says what it has instead.
func Find(p Params) (found int, from string, err error) {
	if p.Folder != "" {
		err = p.take()
		from = p.Folder
	} else if p.Cache != "" {
		p.look()
		from = p.Cache
	}
	for _, b := range p.Wanted {
		if p.Library.Has(b) {
			found++
		}
	}
	return found, from, err
}

// take takes the wanted files of the folder.
func (p Params) take() error {
	here, err := weights(p.Folder)
	if err != nil {
		return err
	}
	if len(here) == 0 {
		return fmt.Errorf("%s has no safetensors files: --base wants the folder of the model that the swarm adapts", p.Folder)
	}
	taken, why := 0, errors.New("none of its files has the size of one of the base's")
	for _, b := range p.Wanted {
		ok, err := take(p.Library, b, here)
		if ok {
			taken++
		}
		if err != nil {
			why = err
		}
	}
	if taken == 0 {
		return fmt.Errorf("the model in %s is not the one that the swarm adapts (%w): leave out --base, and it is fetched from peers", p.Folder, why)
	}
	return nil
}

// look takes the wanted files that the cache has. What is damaged or cannot be read there is fetched.
func (p Params) look() {
	snapshots, err := filepath.Glob(filepath.Join(p.Cache, "models--*", "snapshots", "*"))
	if err != nil {
		return
	}
	for _, dir := range snapshots {
		here, err := weights(dir)
		if err != nil {
			continue
		}
		for _, b := range p.Wanted {
			_, _ = take(p.Library, b, here)
		}
	}
}

// Cache is where Hugging Face's libraries keep what they downloaded; "" where nobody knows.
func Cache() string {
	if dir := os.Getenv("HF_HUB_CACHE"); dir != "" {
		return dir
	}
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return filepath.Join(dir, "hub")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".cache", "huggingface", "hub")
}

// file is one that may be of the base.
type file struct {
	path string
	size uint64
}

// weights lists the safetensors files of a folder. In a cache they are links, which are followed.
func weights(dir string) (found []file, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for the adapter's base: %w", err)
	}
	for _, e := range entries[:min(len(entries), maxLooked)] {
		if filepath.Ext(e.Name()) != ".safetensors" {
			continue
		}
		path, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // a link to what was removed
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, file{path, uint64(info.Size())})
		}
	}
	return found, nil
}

// take adds the file that has the wanted bytes, if it is not there yet; the error says which had the size alone.
func take(l *library.Library, want shard.Blob, here []file) (bool, error) {
	if l.Has(want) {
		return true, nil
	}
	var other error
	for _, f := range here {
		if f.size != want.Size {
			continue
		}
		err := l.Add(f.path, want)
		if err == nil {
			return true, nil
		}
		other = err
	}
	return false, other
}
