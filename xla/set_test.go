package xla

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf is an index with several wheels.
type shelf struct {
	*httptest.Server
	archives map[string][]byte                                              // by file name
	serve    func(file string, w http.ResponseWriter, r *http.Request) bool // before the honest file

	mu    sync.Mutex
	asked []string // files, with "+" and the offset if one was asked for
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{archives: map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/{project}/", func(rw http.ResponseWriter, r *http.Request) {
		var files []string
		for name, archive := range s.archives {
			if strings.HasPrefix(name, r.PathValue("project")+"-") {
				files = append(files, fmt.Sprintf(`{"filename":%q,"url":"/files/%s","size":%d,"hashes":{"sha256":%q}}`, name, name, len(archive), sum(archive)))
			}
		}
		_, _ = fmt.Fprintf(rw, `{"files":[%s]}`, strings.Join(files, ","))
	})
	mux.HandleFunc("/files/{file}", func(rw http.ResponseWriter, r *http.Request) {
		file := r.PathValue("file")
		s.mu.Lock()
		s.asked = append(s.asked, file+strings.TrimSuffix(strings.Replace(r.Header.Get("Range"), "bytes=", "+", 1), "-"))
		s.mu.Unlock()
		if s.serve == nil || !s.serve(file, rw, r) {
			http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(s.archives[file]))
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// requests returns what was asked for since the last call.
func (s *shelf) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// put packs files into a wheel of the shelf, of which everything is taken.
func (s *shelf) put(t *testing.T, project, version string, files map[string][]byte, takes ...take) wheel {
	t.Helper()
	entries := []entry{{"nvidia/__init__.py", nil}, {"nvidia/lib/../../../escape.so", []byte("x")}}
	w := wheel{project: project, version: version, file: project + "-" + version + ".whl", take: takes}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, entry{name, files[name]})
		w.unpacked += int64(len(files[name]))
	}
	_, archive := makeWheel(t, entries...)
	w.size, w.sha256 = int64(len(archive)), sum(archive)
	s.archives[w.file] = archive
	return w
}

// bytesOf are n bytes that are not to be compressed to nothing.
func bytesOf(seed byte, n int) []byte {
	b := bytes.Repeat(pluginBytes(), 1)[:n]
	b[0] = seed
	return b
}

// gpuSet is a plugin with two libraries, one of which has a program.
func gpuSet(t *testing.T, s *shelf, version string) set {
	t.Helper()
	plugin := bytesOf('p', 200_000)
	return set{
		name: "cuda13", kind: "cuda", version: version, plugin: cudaPlugin, size: int64(len(plugin)), sum: sum(plugin),
		wheels: []wheel{
			s.put(t, "lib-a", version, map[string][]byte{
				"nvidia/cu13/lib/liba.so.13": bytesOf('a', 100_000), "a-1.dist-info/licenses/License.txt": []byte("a licence"),
			}, take{"*.dist-info/licenses/License.txt", "licences/lib-a.txt"}, take{from: "nvidia/cu13/lib/*.so*"}),
			s.put(t, "lib-b", version, map[string][]byte{
				"nvidia/cu13/bin/ptxas": bytesOf('x', 50_000), "nvidia/cu13/lib/libb.so.13": bytesOf('b', 150_000),
			}, take{from: "nvidia/cu13/bin/ptxas"}, take{from: "nvidia/cu13/lib/*.so*"}),
			s.put(t, "plugin", version, map[string][]byte{"jax_plugins/x/xla_cuda_plugin.so": plugin}, take{"jax_plugins/x/xla_cuda_plugin.so", cudaPlugin}),
		},
	}
}

func (s *shelf) installer(gpu set, dir string) installer {
	return installer{set: gpu, index: s.URL + "/simple", dir: dir, client: s.Client(), stall: stallLimit, pause: time.Millisecond, free: freeBytes}
}

// tree are the files below dir, with slashes.
func tree(dir string) []string {
	var files []string
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	return files
}

var wholeSet = []string{
	"cuda13-1.0/lib-a.files.json", "cuda13-1.0/lib-b.files.json", "cuda13-1.0/licences/lib-a.txt",
	"cuda13-1.0/nvidia/cu13/bin/ptxas", "cuda13-1.0/nvidia/cu13/lib/liba.so.13", "cuda13-1.0/nvidia/cu13/lib/libb.so.13",
	"cuda13-1.0/plugin/pjrt_c_api_cuda_plugin.so", "cuda13-1.0/plugin.files.json", "install.lock",
}

func TestInstallSet(t *testing.T) {
	s := newShelf(t)
	gpu := gpuSet(t, s, "1.0")
	dir := filepath.Join(t.TempDir(), "xla")
	i := s.installer(gpu, dir)
	var last int64
	i.progress = func(done, total int64) {
		if total != gpu.download() || done < last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}
	path, err := i.install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "cuda13-1.0", "plugin", "pjrt_c_api_cuda_plugin.so"); path != want || last != gpu.download() {
		t.Errorf("path %q, want %q; progress ended at %d of %d", path, want, last, gpu.download())
	}
	if got := tree(dir); !slices.Equal(got, wholeSet) {
		t.Errorf("files %q, want %q", got, wholeSet)
	}
	target := filepath.Dir(filepath.Dir(path))
	if info, err := os.Stat(filepath.Join(target, "nvidia/cu13/bin/ptxas")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("ptxas: %v, %v", info, err)
	}
	i.progress = nil
	s.requests()
	if _, err := i.install(t.Context()); err != nil || len(s.requests()) != 0 {
		t.Errorf("installing again: %v", err)
	}

	// A library that is gone shows at once, one that changed when installing; both are mended
	// without fetching the rest.
	lib := filepath.Join(target, "nvidia/cu13/lib/libb.so.13")
	if err := os.WriteFile(lib, bytesOf('c', 150_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if !gpu.whole(target, false) || gpu.whole(target, true) {
		t.Error("a changed library is seen by its size, or not by its hash")
	}
	if _, err := i.install(t.Context()); err != nil || !gpu.whole(target, true) {
		t.Errorf("mending a library: %v", err)
	}
	if got, want := s.requests(), []string{"lib-b-1.0.whl"}; !slices.Equal(got, want) {
		t.Errorf("mending asked for %q, want %q", got, want)
	}
	if err := os.Remove(lib); err != nil {
		t.Fatal(err)
	}
	if gpu.whole(target, false) || intact(target) {
		t.Error("a missing library is not noticed")
	}
}

func TestInstallSetStopsAndResumes(t *testing.T) {
	s := newShelf(t)
	gpu := gpuSet(t, s, "1.0")
	dir := filepath.Join(t.TempDir(), "xla")
	i := s.installer(gpu, dir)
	ctx, cancel := context.WithCancel(t.Context())
	s.serve = func(file string, w http.ResponseWriter, r *http.Request) bool {
		if file != gpu.wheels[1].file {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(s.archives[file])))
		_, _ = w.Write(s.archives[file][:70_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	i.progress = func(done, _ int64) {
		if done == gpu.wheels[0].size+70_000 {
			cancel()
		}
	}
	if _, err := i.install(ctx); err == nil || !strings.Contains(err.Error(), "goes on from there") {
		t.Fatalf("err %v", err)
	}
	if got := tree(filepath.Join(dir, "cuda13-1.0")); len(got) != 0 {
		t.Errorf("half a set is in its place: %q", got)
	}
	f := finder{dir: dir, devices: touch(t, "nvidia0"), driver: func() string { return "" }}
	for _, d := range f.dirs("cuda") {
		if strings.HasPrefix(d, dir) && len(tree(d)) > 0 {
			t.Errorf("half a set is looked at: %s", d)
		}
	}
	s.serve, i.progress = nil, nil
	s.requests()
	if _, err := i.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.requests(), []string{"lib-b-1.0.whl+70000", "plugin-1.0.whl"}; !slices.Equal(got, want) {
		t.Errorf("asked for %q, want %q", got, want)
	}
	if got := tree(dir); !slices.Equal(got, wholeSet) {
		t.Errorf("files %q, want %q", got, wholeSet)
	}
}

func TestInstallSetRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		bend func(s *shelf, gpu *set, i *installer)
		want string
	}{
		{"one wheel with another hash", func(s *shelf, gpu *set, _ *installer) {
			bad := bytes.Clone(s.archives[gpu.wheels[2].file])
			bad[len(bad)/2] ^= 1
			s.serve = func(file string, w http.ResponseWriter, _ *http.Request) bool {
				if file == gpu.wheels[2].file {
					_, _ = w.Write(bad)
				}
				return file == gpu.wheels[2].file
			}
		}, "arrived damaged or is not the pinned file"},
		{"another plugin", func(_ *shelf, _ *set, i *installer) { i.set.sum = sum(nil) }, "is not the pinned one"},
		{"a file that is not in its wheel", func(_ *shelf, gpu *set, _ *installer) { gpu.wheels[1].take[0].from = "nvidia/cu13/bin/nvlink" }, "nvidia/cu13/bin/nvlink is not in it"},
		{"a file that climbs out", func(_ *shelf, gpu *set, _ *installer) { gpu.wheels[1].take[0].from = "nvidia/lib/../../../*.so" }, "is no name for a file"},
		{"no room", func(_ *shelf, _ *set, i *installer) { i.free = func(string) (int64, bool) { return 100_000, true } }, "free some, or set MURMUR_DATA"},
		{"a path that XLA misreads", func(_ *shelf, _ *set, i *installer) { i.dir = filepath.Join(i.dir, "my data") }, "blank"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newShelf(t)
			gpu := gpuSet(t, s, "1.0")
			i := s.installer(gpu, filepath.Join(t.TempDir(), "xla"))
			tc.bend(s, &gpu, &i)
			path, err := i.install(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("path %q, err %v, want one line with %q", path, err, tc.want)
			}
			if got := tree(filepath.Join(i.dir, "cuda13-1.0")); len(got) != 0 {
				t.Errorf("installed %q", got)
			}
			if tc.want[:4] == "free" && len(s.requests()) != 0 {
				t.Error("the download began")
			}
			for _, name := range tree(filepath.Dir(i.dir)) {
				if strings.HasSuffix(name, "escape.so") {
					t.Errorf("%s was written", name)
				}
			}
		})
	}
}

// The version before stays until the new one is whole.
func TestInstallSetUpgrades(t *testing.T) {
	s := newShelf(t)
	dir := filepath.Join(t.TempDir(), "xla")
	before := gpuSet(t, s, "0.9")
	if _, err := s.installer(before, dir).install(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cuda13-mine", "cuda12-0.9", ".cuda13-0.8"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	i := s.installer(gpuSet(t, s, "1.0"), dir)
	s.serve = func(file string, w http.ResponseWriter, _ *http.Request) bool {
		if strings.HasPrefix(file, "plugin-1.0") {
			w.WriteHeader(http.StatusNotFound)
		}
		return strings.HasPrefix(file, "plugin-1.0")
	}
	if _, err := i.install(t.Context()); err == nil {
		t.Fatal("installed without its last wheel")
	}
	if !before.whole(filepath.Join(dir, "cuda13-0.9"), true) {
		t.Error("the version before went before the new one was whole")
	}
	s.serve = nil
	if _, err := i.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"cuda12-0.9", "cuda13-1.0", "cuda13-mine", "install.lock"}; !slices.Equal(names, want) {
		t.Errorf("left %q, want %q", names, want)
	}
}
