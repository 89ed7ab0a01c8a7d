package api

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPage(t *testing.T) {
	dir := t.TempDir()
	token, err := PageToken(dir)
	if err != nil || len(token) < 40 {
		t.Fatalf("token %q, %v", token, err)
	}
	if again, err := PageToken(dir); err != nil || again != token {
		t.Fatalf("the second time: %q, %v", again, err)
	}
	if i, err := os.Stat(filepath.Join(dir, tokenFile)); err != nil || i.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read the token: %v, %v", i.Mode(), err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	a := New(&told{})
	a.Page(PageParams{Listener: l, Token: token, Assets: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") })})
	_, port, _ := net.SplitHostPort(at)
	for _, tc := range []struct {
		name, method, path, token, host, origin string
		code                                    int
	}{
		{"the page itself", "GET", "/", "", at, "", 200},
		{"a question", "GET", "/v1/state", token, at, "", 200},
		{"by another name of this machine", "GET", "/v1/state", token, "localhost:" + port, "http://localhost:" + port, 200},
		{"an order", "POST", "/v1/pause?for=15m", token, at, "http://" + at, 200},
		{"no token", "GET", "/v1/state", "", at, "", 403},
		{"a wrong token", "GET", "/v1/state", token + "x", at, "", 403},
		{"a wrong token for the stream", "GET", "/v1/stream", "x", at, "", 403},
		{"another web site", "POST", "/v1/pause", token, at, "http://192.0.2.1", 403},
		{"another web site that reads the page", "GET", "/", "", at, "https://example.org", 403},
		{"a page without an origin", "GET", "/v1/state", token, at, "null", 403},
		{"a name that was made to lead here", "GET", "/v1/state", token, "example.org:" + port, "", 403},
		{"another port", "GET", "/v1/state", token, "127.0.0.1:1", "", 403},
		{"settings, which may name a command", "POST", "/v1/policy", token, at, "", 404},
		{"throwing members out", "POST", "/v1/revoke", token, at, "", 404},
		{"a new key", "POST", "/v1/rotate", token, at, "", 404},
		{"reading in place of telling", "GET", "/v1/pause", token, at, "", 405},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://"+at+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tc.host
		if tc.token != "" {
			req.Header.Set("Authorization", "Bearer "+tc.token)
		}
		if tc.origin != "" {
			req.Header.Set("Origin", tc.origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tc.code || tc.code == 403 && !strings.Contains(string(body), `"error"`) || len(res.Header["Access-Control-Allow-Origin"]) > 0 {
			t.Errorf("%s: %d %s", tc.name, res.StatusCode, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}
