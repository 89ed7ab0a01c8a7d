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
	"strings"

	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/trainer/shard"
)

// maxLooked bounds the files of a folder that are looked at.
const maxLooked = 4096

// Take puts those of the wanted files that lie in a folder, which the user named, into the library; of wanted files of which none is there it says
// what the folder has instead.
func Take(l *library.Library, wanted []shard.Blob, dir string) (taken int, err error) {
	found, err := weights(dir)
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("%s has no safetensors files: --base wants the folder of the model that the swarm adapts", dir)
	}
	var other []error
	for _, b := range wanted {
		if l.Has(b) {
			taken++
			continue
		}
		here, err := take(l, b, found)
		if here {
			taken++
		}
		other = append(other, err)
	}
	if taken == 0 {
		why := errors.Join(other...)
		if why == nil {
			why = errors.New("none of its files has the size of one of the base's")
		}
		return 0, fmt.Errorf("the model in %s is not the one that the swarm adapts (%s): leave out --base, and it is fetched from peers", dir, strings.ReplaceAll(why.Error(), "\n", "; "))
	}
	return taken, nil
}

// Look puts wanted files that a Hugging Face cache has into the library, and says how many.
func Look(l *library.Library, wanted []shard.Blob, cache string) (taken int) {
	snapshots, err := filepath.Glob(filepath.Join(cache, "models--*", "snapshots", "*"))
	if err != nil {
		return 0
	}
	for _, b := range wanted {
		for _, dir := range snapshots {
			if l.Has(b) {
				break
			}
			found, err := weights(dir)
			if err != nil {
				continue // another folder may have it
			}
			if here, _ := take(l, b, found); here { // what is damaged there is fetched
				taken++
			}
		}
	}
	return taken
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

// take adds the file that has the wanted bytes; the error says which had the size alone.
func take(l *library.Library, want shard.Blob, found []file) (bool, error) {
	var other error
	for _, f := range found {
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
