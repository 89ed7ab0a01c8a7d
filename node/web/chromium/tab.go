// Package chromium opens pages in a headless Chromium, for tests of the page that a node serves.
//
// It hears all that a page says or asks and must not: errors, exceptions, requests to elsewhere.
// It must not know what the page shows.
package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Patience is how long a tab is waited for.
const Patience = 60 * time.Second

const poll = 50 * time.Millisecond

// Tab is a page in a browser of its own, which ends with the test.
type Tab struct {
	t     *testing.T
	ctx   context.Context
	heard *heard
}

// heard is what a page said or asked and must not.
type heard struct {
	host string

	mu    sync.Mutex
	wrong []string
}

// Open starts Chromium at a link. The page may ask nobody but host, such as
// http://127.0.0.1:4102/. Without Chromium the test is skipped, unless
// MURMUR_REQUIRE_CHROMIUM is 1.
func Open(t *testing.T, host, link string) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(Patience))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Tab{t: t, ctx: ctx, heard: &heard{host: host}}
	if err := chromedp.Listen(ctx, b.heard.take); err != nil { // starts the browser: a deadline would be the browser's
		t.Fatal(err)
	}
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate(link))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// For is the same tab in a subtest.
func (b *Tab) For(t *testing.T) *Tab { return &Tab{t: t, ctx: b.ctx, heard: b.heard} }

// Go opens another link.
func (b *Tab) Go(link string) {
	b.t.Helper()
	act(b, "go to "+link, chromedp.Navigate(link))
}

func find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "MURMUR_REQUIRE_CHROMIUM", "there is no Chromium here; on Debian: apt-get install chromium")
	return ""
}

// Missing skips a test for what is not here, or fails it where an environment variable demands it.
func Missing(t *testing.T, demand, why string) {
	t.Helper()
	if os.Getenv(demand) == "1" {
		t.Fatalf("%s, and %s is 1", why, demand)
	}
	t.Skip(why)
}

func (h *heard) take(event any) {
	var said string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = "exception: " + e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			said += " " + x.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeError && e.Type != runtime.ConsoleAPICalledTypeWarning {
			return
		}
		said = "console:"
		for _, a := range e.Args {
			said += " " + string(a.Value) + a.Description
		}
	case *log.EventEntryAdded:
		said = "browser: " + e.Entry.Text + " " + e.Entry.URL
	case *network.EventRequestWillBeSent:
		u := e.Request.URL
		if strings.HasPrefix(u, h.host) || strings.HasPrefix(u, "data:") {
			return
		}
		said = "asked " + u
	default:
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, said)
}

// Wrong is what the page said or asked and must not, since the last call.
func (b *Tab) Wrong() []string {
	b.heard.mu.Lock()
	defer b.heard.mu.Unlock()
	w := b.heard.wrong
	b.heard.wrong = nil
	return w
}

// Quiet fails the test where the page said or asked what it must not.
func (b *Tab) Quiet() {
	b.t.Helper()
	for _, s := range b.Wrong() {
		b.t.Error(s)
	}
}

// Eval is what a JavaScript expression, or the promise that it is, gives in the page.
func Eval[T any](b *Tab, js string) T {
	b.t.Helper()
	return act(b, js, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
}

// Until waits for an expression to hold in the page, and returns how long that took.
func (b *Tab) Until(what, js string) time.Duration {
	b.t.Helper()
	began := time.Now()
	for {
		ctx, cancel := context.WithTimeout(b.ctx, Patience)
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+js+")"))
		cancel()
		switch took := time.Since(began); {
		case holds:
			return took
		case took > Patience: // an error before may be of a page that gives way to another
			b.t.Fatalf("%s: not within %v, %v; it said %q; the page shows\n%s", what, Patience, err, b.Wrong(), b.text())
		}
		time.Sleep(poll)
	}
}

// Click is a person's on what a CSS selector names.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	act(b, "click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Press types keys into what has the focus; Enter is the key.
func (b *Tab) Press(keys string) {
	b.t.Helper()
	if keys == "Enter" {
		keys = kb.Enter
	}
	act(b, "press "+keys, chromedp.KeyEvent(keys))
}

// Look has the window be of a size, and the person prefer light or dark.
func (b *Tab) Look(width, height int64, scheme string) {
	b.t.Helper()
	const phone = 500
	act(b, "resize", func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < phone})
		if err == nil {
			_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		}
		return chromedp.Void{}, err
	})
}

// Picture writes the whole page as it looks.
func (b *Tab) Picture(path string) {
	b.t.Helper()
	png := act(b, "picture", chromedp.FullScreenshot(100))
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, png, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func act[T any](b *Tab, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, Patience+time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v; it said %q; the page shows\n%s", what, err, b.Wrong(), b.text())
	}
	return v
}

// text is what the page shows.
func (b *Tab) text() string {
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.body.innerText"))
	return text + fmt.Sprint(err)
}
