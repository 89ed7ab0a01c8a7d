package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func ask(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestHandler(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		code         int
		kind         string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/index.html", 200, "text/html; charset=utf-8"},
		{"GET", "/main.js", 200, "text/javascript; charset=utf-8"},
		{"GET", "/colours.css", 200, "text/css; charset=utf-8"},
		{"GET", "/icon.svg", 200, "image/svg+xml"},
		{"GET", "/uplot/LICENSE", 200, "text/plain; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"POST", "/", 405, ""},
		{"GET", "/uplot", 404, ""},
		{"GET", "/uplot/", 404, ""},
		{"GET", "/../web.go", 404, ""},
		{"GET", "/none.js", 404, ""},
	} {
		res := ask(tc.method, tc.path)
		h := res.Header
		if res.StatusCode != tc.code || tc.kind != "" && h.Get("Content-Type") != tc.kind {
			t.Errorf("%s %s: %d, %s", tc.method, tc.path, res.StatusCode, h.Get("Content-Type"))
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s %s: unprotected: %v", tc.method, tc.path, h)
		}
		if tc.code != 200 {
			continue
		}
		tag := h.Get("ETag")
		if again := ask(tc.method, tc.path, "If-None-Match", tag); tag == "" || again.StatusCode != http.StatusNotModified || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s %s: tag %s, %d the second time", tc.method, tc.path, tag, again.StatusCode)
		}
	}
}

// TestFiles holds what the files name to what is there, and has them name nothing elsewhere.
func TestFiles(t *testing.T) {
	named := regexp.MustCompile(`(?:from|href=|src=|import\() *"\.?/?([a-zA-Z][\w./-]*\.\w+)"`)
	far := regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]+`)
	err := fs.WalkDir(static, "static", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, "/uplot/") {
			return err
		}
		b, err := static.ReadFile(path)
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			if res := ask("GET", "/"+m[1]); res.StatusCode != 200 {
				t.Errorf("%s names %s, which is not there", path, m[1])
			}
		}
		for _, u := range far.FindAllString(string(b), -1) {
			if u != "http://www.w3.org" { // the name of SVG
				t.Errorf("%s names %s", path, u)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
