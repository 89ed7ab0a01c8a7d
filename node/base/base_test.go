package base

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/shard"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func blob(content string) shard.Blob {
	return shard.Blob{ID: proto.HashBlob([]byte(content)).Root(), Size: uint64(len(content))}
}

func open(t *testing.T) *library.Library {
	t.Helper()
	l, err := library.Open(filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func find(l *library.Library, wanted []shard.Blob, dir string) (int, error) {
	n, _, err := Find(Params{Library: l, Wanted: wanted, Folder: dir})
	return n, err
}

func look(l *library.Library, wanted []shard.Blob, cache string) int {
	n, _, _ := Find(Params{Library: l, Wanted: wanted, Cache: cache}) // what is not there is fetched
	return n
}

// TestTake: files are taken by what they hold; a folder of another model is refused.
func TestTake(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "any-name.safetensors"), "first file")
	write(t, filepath.Join(dir, "notes.txt"), "second file")
	l := open(t)
	wanted := []shard.Blob{blob("first file"), blob("second file")}
	if n, err := find(l, wanted, dir); n != 1 || err != nil || !l.Has(wanted[0]) || l.Has(wanted[1]) {
		t.Errorf("%d taken: %v", n, err)
	}
	if n, err := find(l, wanted, dir); n != 1 || err != nil {
		t.Errorf("the second time %d: %v", n, err)
	}
	for _, test := range []struct{ content, want string }{
		{"first filf", "is not the one that the swarm adapts"}, // one flipped byte
		{"a longer file", "none of its files has the size"},
	} {
		other := t.TempDir()
		write(t, filepath.Join(other, "model.safetensors"), test.content)
		empty := open(t)
		if _, err := find(empty, wanted, other); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", test.content, err, test.want)
		}
		if empty.Has(wanted[0]) {
			t.Errorf("%s was taken", test.content)
		}
	}
	if _, err := find(l, wanted, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no safetensors files") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := find(l, wanted, filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was taken")
	}
}

// TestLook: a cache's files are links to blobs.
func TestLook(t *testing.T) {
	cache := t.TempDir()
	model := filepath.Join(cache, "models--some--model")
	write(t, filepath.Join(model, "blobs", "abc"), "first file")
	snapshot := filepath.Join(model, "snapshots", "1")
	if err := os.MkdirAll(snapshot, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"model.safetensors": "../../blobs/abc", "gone.safetensors": "../../blobs/def"} {
		if err := os.Symlink(to, filepath.Join(snapshot, name)); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t)
	wanted := []shard.Blob{blob("first file"), blob("second file")}
	if n := look(l, wanted, cache); n != 1 || !l.Has(wanted[0]) {
		t.Errorf("%d taken", n)
	}
	if b, err := os.ReadFile(l.Path(wanted[0].ID)); err != nil || string(b) != "first file" {
		t.Errorf("the library has %q, %v", b, err)
	}
	if n := look(open(t), wanted, filepath.Join(cache, "none")); n != 0 {
		t.Errorf("%d of a cache that is not there", n)
	}
}
