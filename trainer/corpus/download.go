package corpus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	stallLimit   = 30 * time.Second // without a byte
	dialLimit    = 10 * time.Second // for a connection, and for its TLS handshake
	retryPause   = time.Second      // before the second attempt; doubled before each that follows
	maxAttempts  = 5                // in a row that bring nothing new
	maxRedirects = 10
	maxDownload  = 1 << 40 // bytes of a file
	maxName      = 100     // characters of an address's last part that a file's name keeps
)

// errStalled is why a request without bytes is ended.
var errStalled = errors.New("no bytes arrived")

// downloader fetches sources into a folder. Tests set shorter limits.
type downloader struct {
	dir      string
	task     string // as progress shows it
	progress func(Progress)
	client   *http.Client
	stall    time.Duration
	pause    time.Duration
}

func newDownloader(dir string, progress func(Progress)) downloader {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dialLimit}).DialContext
	t.TLSHandshakeTimeout = dialLimit
	t.ResponseHeaderTimeout = stallLimit
	client := &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return permanent{fmt.Errorf("more than %d redirects", maxRedirects)}
		}
		err := fetchable(req.URL)
		if err == nil && req.URL.Scheme != via[0].URL.Scheme && req.URL.Scheme != "https" {
			err = errors.New("nobody may send a request into this machine")
		}
		if err != nil {
			return permanent{fmt.Errorf("redirected to %s: %w", req.URL.Host, err)}
		}
		return nil
	}}
	return downloader{dir: dir, progress: progress, client: client, stall: stallLimit, pause: retryPause}
}

// permanent is an error that another attempt would meet again.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// get fetches a source, or goes on where an earlier get broke off, and returns the path of the whole file. One that is
// there already is taken as it is, if its checksum is right or nobody gave one.
func (d downloader) get(ctx context.Context, s source) (string, error) {
	defer d.client.CloseIdleConnections()
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return "", fmt.Errorf("downloading %s: %w", s.name, err)
	}
	target := filepath.Join(d.dir, localName(s))
	if info, err := os.Stat(target); err == nil && info.Mode().IsRegular() {
		if d.checked(ctx, s, target) == nil {
			return target, nil
		}
		if err := os.Remove(target); err != nil {
			return "", fmt.Errorf("downloading %s: %w", s.name, err)
		}
	}
	part := target + ".part"
	if err := d.fetch(ctx, s, part); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("no space left in %s: free some, or choose an --out on another disk", d.dir)
		}
		return "", fmt.Errorf("downloading %s: %w", s.name, err)
	}
	if err := d.checked(ctx, s, part); err != nil {
		if ctx.Err() == nil {
			_ = os.Remove(part) // nothing of it is of use
			_ = os.Remove(part + tagSuffix)
		}
		return "", err
	}
	if err := atomicfile.Rename(part, target); err != nil {
		return "", fmt.Errorf("downloading %s: %w", s.name, err)
	}
	_ = os.Remove(part + tagSuffix) // says nothing about a whole file
	return target, nil
}

// localName is a file's name for an address: its last part behind a hash of all of it, since many end alike.
func localName(s source) string {
	sum := sha256.Sum256([]byte(s.url.String()))
	base := strings.Map(func(r rune) rune {
		if r < 128 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("._-", r)) {
			return r
		}
		return '_'
	}, path.Base(s.url.Path))
	return hex.EncodeToString(sum[:6]) + "-" + base[max(0, len(base)-maxName):]
}

// checked holds a file against the checksum that was given.
func (d downloader) checked(ctx context.Context, s source, at string) error {
	if s.sha256 == "" {
		return nil
	}
	f, err := os.Open(at)
	if err != nil {
		return fmt.Errorf("checking %s: %w", s.name, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, stoppable{ctx, f}); err != nil {
		return fmt.Errorf("checking %s: %w", s.name, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != s.sha256 {
		return fmt.Errorf("%s is not the file of that checksum: its SHA-256 is %s, not %s; it was deleted", s.name, got, s.sha256)
	}
	return nil
}

// stoppable reads until its context ends.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s stoppable) Read(b []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.Reader.Read(b)
}

// fetch makes requests until the part file is whole, or an answer is final, or maxAttempts in a row bring nothing that
// was not there before.
func (d downloader) fetch(ctx context.Context, s source, part string) (err error) {
	t, err := openTransfer(part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.file.Close()) }()
	most := t.offset
	for attempt := 1; ; attempt++ {
		if t.whole() {
			return t.file.Sync()
		}
		err := d.once(ctx, s, t)
		var final permanent
		switch {
		case err == nil:
			return t.file.Sync()
		case ctx.Err() != nil:
			return fmt.Errorf("stopped at %s; the next prepare goes on from there: %w", bytesText(t.offset), context.Cause(ctx))
		case errors.As(err, &final):
			return final.error
		case t.offset > most:
			most, attempt = t.offset, 0
		case attempt >= maxAttempts:
			return fmt.Errorf("%w; %d attempts brought nothing new, the next prepare goes on from %s", root(err), attempt, bytesText(t.offset))
		}
		select {
		case <-time.After(d.pause << max(0, attempt-1)):
		case <-ctx.Done():
		}
	}
}

// root is the innermost error, which says what happened without saying where.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// once makes one request and puts what comes behind what is there.
func (d downloader) once(ctx context.Context, s source, t *transfer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return permanent{err}
	}
	req.Header.Set("Accept-Encoding", "identity") // a compressed answer would make ranges and sizes mean something else
	if t.offset > 0 && t.tag.Validator != "" {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.offset))
		req.Header.Set("If-Range", t.tag.Validator)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := t.begin(resp); err != nil {
		return err
	}
	watchdog := time.AfterFunc(d.stall, func() { cancel(errStalled) })
	defer watchdog.Stop()
	buf := make([]byte, 256<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			watchdog.Reset(d.stall)
			if err := t.write(buf[:n]); err != nil {
				return err
			}
			d.progress(Progress{Task: d.task, Done: t.offset, Total: max(0, t.tag.Size)})
		}
		switch {
		case errors.Is(err, io.EOF) && (t.tag.Size < 0 || t.whole()):
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
}
