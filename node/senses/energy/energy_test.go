package energy

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/policy"
)

func TestRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are of a Unix shell")
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/price" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"data": [{"price": "0.21"}, {"price": 0.17}]}`))
	}))
	defer server.Close()
	dir := t.TempDir()
	path := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	old := path("old", "7")
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	sh := func(script string) []string { return []string{"sh", "-c", script} }
	for _, tc := range []struct {
		name string
		from policy.Energy
		want float64
		err  string
	}{
		{"a number in a file", policy.Energy{File: path("watts", " 1234.5\n")}, 1234.5, ""},
		{"a field of a file", policy.Energy{File: path("json", `{"pv": {"now": 320}}`), Field: "pv.now"}, 320, ""},
		{"no file", policy.Energy{File: filepath.Join(dir, "none")}, 0, "no such file"},
		{"a file whose writer is dead", policy.Energy{File: old}, 0, "nobody has written"},
		{"a directory", policy.Energy{File: dir}, 0, "no regular file"},
		{"an empty file", policy.Energy{File: path("empty", "")}, 0, `"" is not a number`},
		{"no number", policy.Energy{File: path("nan", "NaN")}, 0, "is not a number"},
		{"a command", policy.Energy{Command: sh("echo 5; echo noise >&2")}, 5, ""},
		{"a command that fails", policy.Energy{Command: sh("exit 3")}, 0, "exit status 3"},
		{"a command that prints without end", policy.Energy{Command: sh("head -c 9000000 /dev/zero")}, 0, "is not a number"},
		{"no such command", policy.Energy{Command: []string{"/nonexistent/meter"}}, 0, "/nonexistent/meter"},
		{"a field over https", policy.Energy{URL: server.URL + "/price", Field: "data.1.price"}, 0.17, ""},
		{"a number as text", policy.Energy{URL: server.URL + "/price", Field: "data.0.price"}, 0.21, ""},
		{"no such field", policy.Energy{URL: server.URL + "/price", Field: "data.2.price"}, 0, "no field data.2.price"},
		{"no JSON", policy.Energy{File: path("text", "hello"), Field: "a"}, 0, "not JSON"},
		{"not found", policy.Energy{URL: server.URL + "/"}, 0, "404"},
	} {
		got, err := Read(t.Context(), server.Client(), tc.from)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v, %v", tc.name, got, err)
		}
	}
}

// TestHanging has a command leave a child behind that keeps its output open.
func TestHanging(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command is of a Unix shell")
	}
	began := time.Now()
	_, err := Read(t.Context(), nil, policy.Energy{Command: []string{"sh", "-c", "sleep 30 & echo 5"}})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v: %v", took, err)
	}
}
