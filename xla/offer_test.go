package xla

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOffer(t *testing.T) {
	if _, ok := pinned("cpu"); !ok {
		t.Skip("no plugin is pinned for this platform and build: there is nothing to offer")
	}
	asked := 0
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer index.Close()
	const lost, failed, question = "about 15x slower", "503 Service Unavailable", "[Y/n]"
	for _, tc := range []struct {
		name, want, in, env string
		terminal, yes       bool
		says, not           []string
		installs            bool
	}{
		{name: "nobody to ask", says: []string{lost, "murmur xla install cpu"}, not: []string{question}},
		{name: "no", terminal: true, in: "n\n", says: []string{question, lost, "murmur xla install cpu"}},
		{name: "enter", terminal: true, in: "\n", says: []string{question, failed, lost}, installs: true},
		{name: "YES", terminal: true, in: " YES \n", says: []string{question, failed}, installs: true},
		{name: "something else", terminal: true, in: "what?\n", says: []string{question, lost}},
		{name: "end of input", terminal: true, says: []string{question, lost}},
		{name: "flag", yes: true, says: []string{failed, lost}, not: []string{question}, installs: true},
		{name: "environment", env: "1", says: []string{failed, lost}, not: []string{question}, installs: true},
		{name: "go is wanted", want: "go", yes: true, not: []string{"XLA"}},
		{name: "cuda is wanted", want: "xla:cuda", yes: true, not: []string{"XLA"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked = 0
			t.Setenv(searchPathEnv, "")
			t.Setenv(installEnv, tc.env)
			var out bytes.Buffer
			err := Offer(t.Context(), OfferParams{
				Params: Params{Want: tc.want, Dir: t.TempDir()},
				In:     strings.NewReader(tc.in), Out: &out, Terminal: tc.terminal, Yes: tc.yes, Index: index.URL,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tc.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("does not say %q: %q", s, out.String())
				}
			}
			for _, s := range tc.not {
				if strings.Contains(out.String(), s) {
					t.Errorf("says %q: %q", s, out.String())
				}
			}
			if (asked > 0) != tc.installs {
				t.Errorf("the index was asked %d times", asked)
			}
		})
	}
}

func TestOfferStopsWithItsContext(t *testing.T) {
	if _, ok := pinned("cpu"); !ok {
		t.Skip("no plugin is pinned for this platform and build: there is nothing to offer")
	}
	t.Setenv(searchPathEnv, "")
	ctx, cancel := context.WithCancel(t.Context())
	in, w := io.Pipe()
	defer w.Close() // ends the goroutine that reads the answer
	out := writerFunc(func(b []byte) (int, error) {
		if strings.Contains(string(b), "[Y/n]") {
			cancel()
		}
		return len(b), nil
	})
	err := Offer(ctx, OfferParams{Params: Params{Dir: t.TempDir()}, In: in, Out: out, Terminal: true})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A plugin that is there but broken is named before a new one is offered.
func TestOfferTellsOfABrokenPlugin(t *testing.T) {
	if _, ok := pinned("cpu"); !ok {
		t.Skip("no plugin is pinned for this platform and build: there is nothing to offer")
	}
	dir := t.TempDir()
	t.Setenv(searchPathEnv, dir)
	file := filepath.Join(dir, "pjrt_c_api_cpu_plugin.so")
	if err := os.WriteFile(file, []byte("half a plugin"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Offer(t.Context(), OfferParams{Params: Params{Dir: dir}, Out: &out}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "xla:cpu: "+file+": it is ") {
		t.Errorf("says %q", out.String())
	}
}

func TestOfferKinds(t *testing.T) {
	for want, kinds := range map[string]string{
		"": "cuda rocm cpu", "xla": "cuda rocm cpu", "xla:cpu": "cpu", "xla:cuda,visible_devices=0": "cuda", "xla:rocm": "rocm",
		"go": "", "xla:/opt/pjrt_c_api_cuda_plugin.so": "", "nonsense": "",
	} {
		if got := strings.Join(OfferParams{Params: Params{Want: want}}.kinds(), " "); got != kinds {
			t.Errorf("%q: %q, want %q", want, got, kinds)
		}
	}
}

func TestProgress(t *testing.T) {
	var lines, bar bytes.Buffer
	plain, drawn := NewProgress(&lines, false, "plugin"), NewProgress(&bar, true, "plugin")
	const total = 62_711_338
	for done := int64(0); done < total; done += 10_000 {
		plain.Update(done, total)
		drawn.Update(done, total)
	}
	for _, p := range []*Progress{plain, drawn} {
		p.Update(total, total)
		p.Update(5, 0)
		p.End()
		p.End()
	}
	if n := strings.Count(lines.String(), "\n"); n != 11 || !strings.HasSuffix(lines.String(), "plugin: 100 % of 63 MB\n") {
		t.Errorf("%d lines: %q", n, lines.String())
	}
	if n := strings.Count(bar.String(), "\r"); n != 101 || !strings.HasSuffix(bar.String(), "\rplugin ["+strings.Repeat("#", barWidth)+"] 100 % of 63 MB\n") {
		t.Errorf("%d redraws: %q", n, bar.String())
	}
}
