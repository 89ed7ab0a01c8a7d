package corpus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a host of one file that behaves as told.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // the Range of each
	answer   func(n int, w http.ResponseWriter, r *http.Request)
}

// serve starts a host whose n-th request, from 1 on, is answered so.
func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Header.Get("Range"))
		n := len(s.requests)
		s.mu.Unlock()
		s.answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// whole answers as a good server does.
func whole(content []byte, etag string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, r *http.Request) {
		if etag != "" {
			w.Header().Set("ETag", etag)
		}
		http.ServeContent(w, r, "a.txt", time.Time{}, bytes.NewReader(content))
	}
}

// cutOff sends part of a file, as if it were all, and breaks the connection.
func cutOff(w http.ResponseWriter, content []byte, from, to int, etag string) {
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Length", fmt.Sprint(len(content)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(content[from:to])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func noise(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rng.IntN(26))
	}
	return b
}

func quick(dir string) downloader {
	d := newDownloader(dir, func(Progress) {})
	d.pause, d.stall = time.Millisecond, 200*time.Millisecond
	return d
}

func fetched(t *testing.T, d downloader, address string) ([]byte, error) {
	t.Helper()
	s, err := parseSource(address)
	if err != nil {
		t.Fatal(err)
	}
	path, err := d.get(t.Context(), s)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "*.*")); len(left) != 1 {
		t.Errorf("left %v", left)
	}
	return b, nil
}

func TestDownload(t *testing.T) {
	old, content, other := noise(1, 300_000), noise(2, 400_000), noise(3, 400_000)
	sum := sha256.Sum256(content)
	good := whole(content, `"2"`)
	for _, tc := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		ranges []string
	}{
		{"at once", good, []string{""}},
		{"cut twice", func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				cutOff(w, content, 0, 100_000, `"2"`)
			case 2:
				cutOff(w, content, 100_000, 250_000, `"2"`)
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-", "bytes=250000-"}},
		{"changed meanwhile", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cutOff(w, old, 0, 100_000, `"1"`)
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-"}},
		{"changed, and the server looks at no If-Range", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cutOff(w, other, 0, 100_000, `"1"`)
			}
			r.Header.Del("If-Range")
			good(n, w, r)
		}, []string{"", "bytes=100000-", ""}},
		{"changed size under one ETag", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cutOff(w, old, 0, 100_000, `"2"`)
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-", ""}},
		{"no validator", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cutOff(w, content, 0, 100_000, "")
			}
			whole(content, "")(n, w, r)
		}, []string{"", ""}},
		{"ranges ignored", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cutOff(w, content, 0, 100_000, `"2"`)
			}
			r.Header.Del("Range")
			good(n, w, r)
		}, []string{"", "bytes=100000-"}},
		{"another range", func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				cutOff(w, content, 0, 100_000, `"2"`)
			case 2:
				cutOff(w, content, 50_000, 400_000, `"2"`)
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-", ""}},
		{"a range that nobody asked for", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cutOff(w, content, 10, 20, `"2"`)
			}
			good(n, w, r)
		}, []string{"", ""}},
		{"a short range", func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				cutOff(w, content, 0, 100_000, `"2"`)
			case 2:
				r.Header.Set("Range", "bytes=100000-199999")
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-", "bytes=200000-"}},
		{"busy", func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 4 {
				http.Error(w, "later", []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError}[n-1])
				return
			}
			good(n, w, r)
		}, []string{"", "", "", ""}},
		{"range refused", func(n int, w http.ResponseWriter, r *http.Request) {
			switch n {
			case 1:
				cutOff(w, content, 0, 100_000, `"2"`)
			case 2:
				http.Error(w, "no", http.StatusRequestedRangeNotSatisfiable)
				return
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-", ""}},
		{"stalls", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				w.Header().Set("ETag", `"2"`)
				w.Header().Set("Content-Length", "400000")
				_, _ = w.Write(content[:100_000])
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			good(n, w, r)
		}, []string{"", "bytes=100000-"}},
		{"of unknown size", func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(content[:200_000])
			w.(http.Flusher).Flush()
			_, _ = w.Write(content[200_000:])
		}, []string{""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := serve(t, tc.answer)
			d := quick(t.TempDir())
			got, err := fetched(t, d, s.URL+"/a.txt#sha256="+hex.EncodeToString(sum[:]))
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if asked := s.asked(); fmt.Sprint(asked) != fmt.Sprint(tc.ranges) || len(asked) != len(tc.ranges) {
				t.Errorf("asked for %q, want %q", asked, tc.ranges)
			}
			if again, err := fetched(t, d, s.URL+"/a.txt#sha256="+hex.EncodeToString(sum[:])); err != nil || !bytes.Equal(again, content) || len(s.asked()) != len(tc.ranges) {
				t.Errorf("fetched again what was there: %v", err)
			}
		})
	}
}

func TestDownloadRefusals(t *testing.T) {
	content := noise(1, 1000)
	for _, tc := range []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request)
		asked  int
		want   string
	}{
		{"not there", func(_ int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, 1, `the server answers "404 Not Found"`},
		{"never well", func(_ int, w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) }, 5, `503 Service Unavailable"; 5 attempts brought nothing new`},
		{"always cut at one place", func(n int, w http.ResponseWriter, _ *http.Request) {
			cutOff(w, content, min(n-1, 1)*500, 500, `"1"`)
		}, 6, "5 attempts brought nothing new, the next prepare goes on from 500 B"},
		{"never the same file", func(n int, w http.ResponseWriter, _ *http.Request) {
			cutOff(w, content, 0, 500, fmt.Sprintf(`"%d"`, n))
		}, 6, "5 attempts brought nothing new"},
		{"another file", whole(noise(3, 1000), ""), 1, "is not the file of that checksum"},
		{"beyond the bound", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(int64(maxDownload)+1))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 1, "is more than murmur fetches"},
		{"to http", func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.org/a.txt", http.StatusFound)
		}, 1, "redirected to example.org: http is not protected"},
		{"in circles", func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/a.txt", http.StatusFound) }, 10, "more than 10 redirects"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := serve(t, tc.answer)
			_, err := fetched(t, quick(t.TempDir()), s.URL+"/a.txt#sha256="+strings.Repeat("ab", 32))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if n := len(s.asked()); n != tc.asked {
				t.Errorf("asked %d times, want %d", n, tc.asked)
			}
		})
	}
}

// A download that is stopped is resumed by the next prepare, also by another process.
func TestStoppedDownload(t *testing.T) {
	content := noise(1, 1<<20)
	s := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			w.Header().Set("ETag", `"1"`)
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			_, _ = w.Write(content[:300_000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		whole(content, `"1"`)(n, w, r)
	})
	dir := t.TempDir()
	p := params(filepath.Join(dir, "out"), s.URL+"/a.txt")
	p.ShardTokens = 1 << 20
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.Progress = func(at Progress) {
		if at.Done == 300_000 {
			cancel()
		}
	}
	if _, err := Prepare(ctx, p); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped at 300 kB") {
		t.Fatalf("stopped: %v", err)
	}
	p.Progress = nil
	r, err := Prepare(t.Context(), p)
	if err != nil || r.TextBytes != 1<<20 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Downloads != filepath.Join(p.Out, "downloads") {
		t.Errorf("fetched into %q", r.Downloads)
	}
	if asked := s.asked(); len(asked) != 2 || asked[1] != "bytes=300000-" {
		t.Errorf("asked for %q", asked)
	}
}

// A part that was left behind is taken up only with a tag that fits.
func TestLeftParts(t *testing.T) {
	content := noise(1, 1000)
	for name, tc := range map[string]struct {
		part int
		tag  string
		want string
	}{
		"good":      {400, `{"validator":"\"1\"","size":1000}`, "bytes=400-"},
		"no tag":    {400, "", ""},
		"cut tag":   {400, `{"validator":"\"1`, ""},
		"too long":  {400, `{"validator":"\"1\"","size":399}`, ""},
		"nameless":  {400, `{"validator":"","size":1000}`, ""},
		"other one": {400, `{"validator":"\"0\"","size":1000}`, "bytes=400-"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, whole(content, `"1"`))
			d := quick(t.TempDir())
			src, err := parseSource(s.URL + "/a.txt")
			if err != nil {
				t.Fatal(err)
			}
			part := filepath.Join(d.dir, localName(src)+".part")
			write(t, d.dir, filepath.Base(part), content[:tc.part])
			if tc.tag != "" {
				write(t, d.dir, filepath.Base(part)+tagSuffix, []byte(tc.tag))
			}
			got, err := fetched(t, d, s.URL+"/a.txt")
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if asked := s.asked(); len(asked) != 1 || asked[0] != tc.want {
				t.Errorf("asked for %q, want %q", asked, tc.want)
			}
		})
	}
}

// An https host cannot send murmur to a service of this machine.
func TestRedirectInside(t *testing.T) {
	outside := httptest.NewTLSServer(http.RedirectHandler("http://127.0.0.1:1/a.txt", http.StatusFound))
	defer outside.Close()
	d := quick(t.TempDir())
	d.client.Transport = outside.Client().Transport
	if _, err := fetched(t, d, outside.URL+"/a.txt"); err == nil || !strings.Contains(err.Error(), "redirected to 127.0.0.1:1: nobody may") {
		t.Errorf("%v", err)
	}
}

func TestLocalNames(t *testing.T) {
	a, err := parseSource("https://example.org/a/train%20set.parquet?x=1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := parseSource("https://example.org/b/train%20set.parquet?x=1")
	if err != nil {
		t.Fatal(err)
	}
	if la, lb := localName(a), localName(b); la == lb || !strings.HasSuffix(la, "-train_set.parquet") {
		t.Errorf("%s and %s", la, lb)
	}
	long, err := parseSource("https://example.org/" + strings.Repeat("a", 500) + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	if l := localName(long); len(l) > 120 || !strings.HasSuffix(l, ".jsonl.gz") {
		t.Errorf("%s", l)
	}
}
