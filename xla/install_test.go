package xla

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
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

	"github.com/gofrs/flock"
)

// entry is one file of a wheel.
type entry struct {
	name     string
	contents []byte
}

// pluginBytes is what the wheels here install; random, so that a byte out of place shows.
func pluginBytes() []byte {
	b := make([]byte, 300_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// makeWheel packs entries and pins what came out.
func makeWheel(t *testing.T, entries ...entry) (wheel, []byte) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.contents); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return pin(b.Bytes()), b.Bytes()
}

func pin(archive []byte) wheel {
	return wheel{
		project: "example-plugin", version: "1.0", file: "example_plugin-1.0.whl",
		size: int64(len(archive)), sha256: sum(archive), unpacked: int64(len(pluginBytes())) + 100,
		take: []take{
			{"example-*.dist-info/licenses/LICENSE", "LICENSE"},
			{"example/pjrt_c_api_cpu_plugin.so", "pjrt_c_api_cpu_plugin.so"},
		},
	}
}

func goodWheel(t *testing.T) (wheel, []byte) {
	return makeWheel(t,
		entry{"../../escape", []byte("x")},
		entry{"example/pjrt_c_api_cpu_plugin.so", pluginBytes()},
		entry{"/etc/escape", []byte("x")},
		entry{"example-1.0.dist-info/licenses/LICENSE", []byte("a licence")},
	)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// server is an index and the host of its files, with the faults that a test sets.
type server struct {
	*httptest.Server
	wheel   wheel
	archive []byte
	page    func() (status int, body string)                                // instead of the honest page
	serve   func(n int, w http.ResponseWriter, r *http.Request) (done bool) // before the honest file; n counts from 1

	mu     sync.Mutex
	ranges []string // the Range header of each request for the file
}

func newServer(t *testing.T, w wheel, archive []byte) *server {
	s := &server{wheel: w, archive: archive}
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/example-plugin/", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != simpleJSON {
			t.Errorf("Accept is %q", r.Header.Get("Accept"))
		}
		if s.page != nil {
			status, body := s.page()
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
			return
		}
		_, _ = rw.Write(s.honestPage(s.wheel.file, s.wheel.sha256, s.wheel.size))
	})
	mux.HandleFunc("/files/", func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		n := len(s.ranges)
		s.mu.Unlock()
		if s.serve != nil && s.serve(n, rw, r) {
			return
		}
		http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(s.archive))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *server) honestPage(file, sum string, size int64) []byte {
	page, _ := json.Marshal(map[string]any{
		"meta": map[string]string{"api-version": "1.1"},
		"files": []map[string]any{
			{"filename": "example_plugin-0.9.whl", "url": "/files/old", "hashes": map[string]string{"sha256": "00"}},
			{"filename": file, "url": "../../files/new", "hashes": map[string]string{"sha256": sum}, "size": size},
		},
	})
	return page
}

// requests are the Range headers so far.
func (s *server) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ranges)
}

func (s *server) installer(t *testing.T) installer {
	plugin := pluginBytes()
	return installer{
		set: set{
			name: "cpu", kind: "cpu", version: "1.0", plugin: "pjrt_c_api_cpu_plugin.so",
			size: int64(len(plugin)), sum: sum(plugin), wheels: []wheel{s.wheel},
		},
		index: s.URL + "/simple", dir: filepath.Join(t.TempDir(), "xla"),
		client: s.Client(), stall: stallLimit, pause: time.Millisecond, free: freeBytes,
	}
}

// cut sends the first n bytes of the archive as if all were to come, and breaks the connection.
func (s *server) cut(w http.ResponseWriter, n int) bool {
	w.Header().Set("Content-Length", strconv.Itoa(len(s.archive)))
	_, _ = w.Write(s.archive[:n])
	return true
}

// checkInstalled compares what an install left with what it should have.
func checkInstalled(t *testing.T, i installer, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, pluginBytes()) {
		t.Errorf("%s: %d bytes, err %v, not the plugin", path, len(got), err)
	}
	var names []string
	err = filepath.WalkDir(filepath.Dir(i.dir), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(i.dir, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if want := []string{"cpu-1.0/LICENSE", "cpu-1.0/example-plugin.files.json", "cpu-1.0/pjrt_c_api_cpu_plugin.so", "install.lock"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("files %q, err %v, want %q", names, err, want)
	}
}

func TestInstall(t *testing.T) {
	w, archive := goodWheel(t)
	half := len(archive) / 2
	rest := fmt.Sprintf("bytes=%d-", half)
	for _, tc := range []struct {
		name   string
		part   []byte // lies there from an earlier try
		serve  func(s *server, n int, w http.ResponseWriter, r *http.Request) bool
		ranges []string
	}{
		{name: "plain", ranges: []string{""}},
		{name: "connection cut once", ranges: []string{"", rest}, serve: func(s *server, n int, w http.ResponseWriter, _ *http.Request) bool {
			return n == 1 && s.cut(w, half)
		}},
		{name: "goes on from an earlier call", part: archive[:half], ranges: []string{rest}},
		{name: "range ignored", part: archive[:half], ranges: []string{rest}, serve: func(s *server, _ int, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(s.archive)
			return true
		}},
		{name: "range refused", part: archive[:half], ranges: []string{rest, ""}, serve: func(_ *server, n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			}
			return n == 1
		}},
		{name: "another range", part: archive[:half], ranges: []string{rest, ""}, serve: func(s *server, n int, w http.ResponseWriter, _ *http.Request) bool {
			if n == 1 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", half-1, len(s.archive)))
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(s.archive[:half])
			}
			return n == 1
		}},
		{name: "part of the whole size", part: archive, ranges: nil},
		{name: "part that is too long", part: append(bytes.Clone(archive), 1), ranges: []string{""}},
		{name: "busy twice", ranges: []string{"", "", ""}, serve: func(_ *server, n int, w http.ResponseWriter, _ *http.Request) bool {
			if n < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n < 3
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, w, archive)
			if tc.serve != nil {
				s.serve = func(n int, w http.ResponseWriter, r *http.Request) bool { return tc.serve(s, n, w, r) }
			}
			i := s.installer(t)
			var last int64
			i.progress = func(done, total int64) {
				if done < 0 || done > total || total != w.size {
					t.Errorf("progress %d of %d", done, total)
				}
				last = done
			}
			if tc.part != nil {
				if err := os.MkdirAll(i.dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(i.dir, w.file+".part"), tc.part, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path, err := i.install(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			checkInstalled(t, i, path)
			if got := s.requests(); !slices.Equal(got, tc.ranges) {
				t.Errorf("ranges asked for %q, want %q", got, tc.ranges)
			}
			if len(tc.ranges) > 0 && last != w.size {
				t.Errorf("progress ended at %d of %d", last, w.size)
			}
			// A second time nothing is fetched.
			s.Close()
			if again, err := i.install(t.Context()); err != nil || again != path {
				t.Errorf("installing again: %q, %v", again, err)
			}
		})
	}
}

// In each case the install ends with one line, and no plugin is there.
func TestInstallRefuses(t *testing.T) {
	good, archive := goodWheel(t)
	traversal, traversalZip := makeWheel(t, entry{"../pjrt_c_api_cpu_plugin.so", pluginBytes()}, entry{"example-1.0.dist-info/licenses/LICENSE", nil})
	bomb, bombZip := makeWheel(t, entry{"example/pjrt_c_api_cpu_plugin.so", make([]byte, 8<<20)}, entry{"example-1.0.dist-info/licenses/LICENSE", nil})
	other, otherZip := makeWheel(t, entry{"example/pjrt_c_api_cpu_plugin.so", make([]byte, len(pluginBytes()))}, entry{"example-1.0.dist-info/licenses/LICENSE", nil})
	lies, liesZip := liar(t)
	noZip := bytes.Repeat([]byte("not a zip file "), 1000)
	wrong := bytes.Clone(archive)
	wrong[len(wrong)/2] ^= 1
	body := func(b []byte) func(*server, int, http.ResponseWriter) bool {
		return func(_ *server, _ int, w http.ResponseWriter) bool { _, _ = w.Write(b); return true }
	}
	for _, tc := range []struct {
		name    string
		wheel   wheel
		archive []byte
		page    string
		status  int
		serve   func(s *server, n int, w http.ResponseWriter) bool
		kept    bool // the part file stays, to go on from
		want    string
	}{
		{name: "other bytes of the same size", wheel: good, archive: wrong, want: "arrived damaged or is not the pinned file (SHA-256 " + short(sum(wrong))},
		{name: "endless body", wheel: good, archive: archive, want: "sends more than the pinned size", serve: func(s *server, _ int, w http.ResponseWriter) bool {
			for range 50 {
				if _, err := w.Write(s.archive); err != nil {
					break
				}
			}
			return true
		}},
		{name: "always cut at the same place", wheel: good, archive: archive, want: "breaks off at 1000 bytes of 301 kB (unexpected EOF)", kept: true, serve: func(s *server, _ int, w http.ResponseWriter) bool {
			return s.cut(w, 1000)
		}},
		{name: "file gone", wheel: good, archive: archive, want: `answers "404 Not Found"`, serve: func(_ *server, _ int, w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusNotFound)
			return true
		}},
		{name: "empty body", wheel: good, archive: archive, want: "breaks off at 0 bytes", serve: body(nil)},
		{name: "not a zip", wheel: pin(noZip), archive: noZip, want: "unpacking example_plugin-1.0.whl: not a wheel"},
		{name: "only a name that climbs out", wheel: traversal, archive: traversalZip, want: "example/pjrt_c_api_cpu_plugin.so is not in it"},
		{name: "plugin larger than pinned", wheel: bomb, archive: bombZip, want: "has 8388608 bytes, more than the 300100 expected"},
		{name: "plugin larger than it says", wheel: lies, archive: liesZip, want: "unpacking"},
		{name: "another plugin", wheel: other, archive: otherZip, want: "is not the pinned one"},
		{name: "index page missing", wheel: good, status: 404, page: "no", want: `answers "404 Not Found" when asked for example-plugin`},
		{name: "index speaks HTML", wheel: good, status: 200, page: "<html>", want: "does not speak the Simple JSON API"},
		{name: "index offers other files only", wheel: good, status: 200, page: `{"files":[{"filename":"example_plugin-0.9.whl","url":"/files/x"}]}`, want: "does not offer example_plugin-1.0.whl, only 1 other files"},
		{name: "index offers another hash", wheel: good, status: 200, page: `{"files":[{"filename":"example_plugin-1.0.whl","url":"/files/x","hashes":{"sha256":"` + sum(nil) + `"}}]}`, want: "offers another example_plugin-1.0.whl"},
		{name: "index offers another size", wheel: good, status: 200, page: `{"files":[{"filename":"example_plugin-1.0.whl","url":"/files/x","size":7,"hashes":{"sha256":"` + good.sha256 + `"}}]}`, want: "offers another example_plugin-1.0.whl"},
		{name: "index points to the disk", wheel: good, status: 200, page: `{"files":[{"filename":"example_plugin-1.0.whl","url":"file:///etc/passwd","hashes":{"sha256":"` + good.sha256 + `"}}]}`, want: "gives no web address"},
		{name: "endless index page", wheel: good, status: 200, page: strings.Repeat(" ", maxIndexSize+1), want: "sent over 4194 kB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, tc.wheel, tc.archive)
			if tc.status != 0 {
				s.page = func() (int, string) { return tc.status, tc.page }
			}
			if tc.serve != nil {
				s.serve = func(n int, w http.ResponseWriter, _ *http.Request) bool { return tc.serve(s, n, w) }
			}
			i := s.installer(t)
			path, err := i.install(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("path %q, err %v, want one line with %q", path, err, tc.want)
			}
			if _, err := os.Stat(filepath.Join(i.dir, "cpu-1.0", "pjrt_c_api_cpu_plugin.so")); err == nil {
				t.Error("a plugin was installed")
			}
			info, err := os.Stat(filepath.Join(i.dir, tc.wheel.file+".part"))
			if holds := err == nil && info.Size() > 0 && info.Size() < tc.wheel.size; holds != tc.kept {
				t.Errorf("part file kept: %v, want %v", holds, tc.kept)
			}
		})
	}
}

// liar is a zip whose directory understates the plugin's size.
func liar(t *testing.T) (wheel, []byte) {
	t.Helper()
	_, archive := makeWheel(t, entry{"example-1.0.dist-info/licenses/LICENSE", nil}, entry{"example/pjrt_c_api_cpu_plugin.so", make([]byte, 8<<20)})
	at := bytes.LastIndex(archive, []byte("PK\x01\x02")) + 24
	copy(archive[at:], []byte{0x10, 0, 0, 0})
	return pin(archive), archive
}

func TestInstallStalls(t *testing.T) {
	w, archive := goodWheel(t)
	s := newServer(t, w, archive)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.serve = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(archive)))
		if r.Header.Get("Range") == "" {
			_, _ = w.Write(archive[:5000])
		} else {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 5000-%d/%d", len(archive)-1, len(archive)))
			w.Header().Set("Content-Length", strconv.Itoa(len(archive)-5000))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	}
	i := s.installer(t)
	i.stall = 500 * time.Millisecond
	_, err := i.install(t.Context())
	if err == nil || !strings.Contains(err.Error(), "nothing came for 500ms") {
		t.Fatalf("err %v", err)
	}
	if info, err := os.Stat(filepath.Join(i.dir, w.file+".part")); err != nil || info.Size() != 5000 {
		t.Errorf("what arrived was not kept: %v, %v", info, err)
	}
}

func TestInstallStopsWithItsContext(t *testing.T) {
	w, archive := goodWheel(t)
	s := newServer(t, w, archive)
	i := s.installer(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.serve = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(archive)))
		_, _ = w.Write(archive[:100_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	i.progress = func(done, _ int64) {
		if done == 100_000 {
			cancel()
		}
	}
	if _, err := i.install(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on from there") {
		t.Fatalf("err %v", err)
	}
	s.serve = nil
	if path, err := i.install(t.Context()); err != nil {
		t.Error(err)
	} else {
		checkInstalled(t, i, path)
	}
	if got := s.requests(); len(got) != 2 || got[1] != "bytes=100000-" {
		t.Errorf("ranges %q", got)
	}
}

func TestInstallWithoutNetwork(t *testing.T) {
	w, archive := goodWheel(t)
	s := newServer(t, w, archive)
	i := s.installer(t)
	s.Close()
	for index, want := range map[string]string{
		i.index:                          "connection refused",
		"http://host.invalid/simple":     "host.invalid",
		"not an address":                 "is not a web address",
		"ftp://host.invalid/simple":      "is not a web address",
		"http://[::1]:namedport/simple/": "is not a web address",
	} {
		i.index = index
		_, err := i.install(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--index") || strings.Contains(err.Error(), "\n") {
			t.Errorf("index %q: %v, want one line with %q", index, err, want)
		}
	}
}

func TestInstallRepairs(t *testing.T) {
	w, archive := goodWheel(t)
	s := newServer(t, w, archive)
	i := s.installer(t)
	path, err := i.install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	damaged := pluginBytes()
	damaged[1000] ^= 1
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := i.install(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkInstalled(t, i, path)
}

func TestInstallOneAtATime(t *testing.T) {
	w, archive := goodWheel(t)
	i := newServer(t, w, archive).installer(t)
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lock := flock.New(filepath.Join(i.dir, "install.lock"))
	if ok, err := lock.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := i.install(t.Context()); err == nil || !strings.Contains(err.Error(), "another murmur is installing") {
		t.Errorf("err %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := i.install(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestInstallIntoAPlaceThatCannotBe(t *testing.T) {
	w, archive := goodWheel(t)
	i := newServer(t, w, archive).installer(t)
	if err := os.WriteFile(i.dir, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	if _, err := i.install(t.Context()); err == nil || !strings.Contains(err.Error(), i.dir) {
		t.Errorf("err %v", err)
	}
}

func TestInstallParamsValidate(t *testing.T) {
	for _, which := range []string{"", "cuda", "cuda14", "../cpu"} {
		if err := (InstallParams{Which: which}).Validate(); err == nil {
			t.Errorf("accepted %q", which)
		}
	}
	for _, which := range names() {
		_, ok := pinned(which)
		if err := (InstallParams{Which: which}).Validate(); (err == nil) != ok {
			t.Errorf("%s: err %v, pinned %v", which, err, ok)
		}
	}
}
