package xla

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
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// InstallParams says which plugin to fetch, from where, and where to keep it.
type InstallParams struct {
	// Which is the kind of plugin; "cpu" is the only one pinned so far.
	Which string
	// Index is the address of a Python package index with the Simple JSON API; "" means [DefaultIndex].
	Index string
	// Dir is the directory of installed plugins; "" means "xla" in [DataDir].
	Dir string
	// Progress is called with the bytes so far and in all; nil for none.
	Progress func(done, total int64)
}

// Validate reports the first thing wrong with p.
func (p InstallParams) Validate() error {
	if whyNoXLA() != "" {
		return fmt.Errorf("%s: nothing to install, training runs on the pure-Go backend", whyNoXLA())
	}
	if _, ok := pinned(p.Which); ok {
		return nil
	}
	if p.Which != "cpu" {
		return fmt.Errorf("murmur cannot install a plugin called %q, only cpu: put others into ~/.local/lib/go-xla as pjrt_c_api_%s_plugin.so", p.Which, p.Which)
	}
	return fmt.Errorf("there is no pinned XLA plugin for %s/%s: training runs on the pure-Go backend", runtime.GOOS, runtime.GOARCH)
}

// Installed returns the path of the pinned plugin of one kind in dir ("" for the user's) if it lies there whole.
// It compares the size alone; [Install] compares the hash.
func Installed(dir, which string) (path string, ok bool) {
	w, ok := pinned(which)
	if !ok {
		return "", false
	}
	dir, err := pluginDir(dir)
	if err != nil {
		return "", false
	}
	path = filepath.Join(dir, w.dir(), w.pluginName())
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && info.Size() == w.unpacked
}

// Install fetches the pinned plugin, verifies it and unpacks it, and returns its path. What an earlier call left
// unfinished is resumed; what is already there is verified and left alone.
func Install(ctx context.Context, p InstallParams) (path string, err error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	dir, err := pluginDir(p.Dir)
	if err != nil {
		return "", err
	}
	w, _ := pinned(p.Which)
	i := installer{wheel: w, index: p.Index, dir: dir, progress: p.Progress, client: newClient(), stall: stallLimit, pause: retryPause}
	return i.install(ctx)
}

// installer fetches and unpacks one wheel. Tests make it with a wheel and limits of their own.
type installer struct {
	wheel    wheel
	index    string
	dir      string
	progress func(done, total int64)
	client   *http.Client
	stall    time.Duration
	pause    time.Duration
}

func (i installer) install(ctx context.Context) (string, error) {
	w := i.wheel
	target := filepath.Join(i.dir, w.dir(), w.pluginName())
	if hashOf(target, w.unpacked) == w.sum {
		return target, nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return "", fmt.Errorf("installing %s: %w", w.project, err)
	}
	lock := flock.New(filepath.Join(i.dir, "install.lock"))
	if ok, err := lock.TryLock(); err != nil {
		return "", fmt.Errorf("installing %s: %w", w.project, err)
	} else if !ok {
		return "", fmt.Errorf("another murmur is installing into %s: wait for it", i.dir)
	}
	defer func() { _ = lock.Unlock() }()     // closing the file ends the lock in any case
	if hashOf(target, w.unpacked) == w.sum { // by whoever held the lock a moment ago
		return target, nil
	}
	part := filepath.Join(i.dir, w.file+".part")
	if err := i.fetch(ctx, part); err != nil {
		return "", i.roomy(err)
	}
	if got := hashOf(part, w.size); got != w.sha256 {
		_ = os.Remove(part)
		return "", fmt.Errorf("%s arrived damaged or is not the pinned file (SHA-256 %s, not %s): it was deleted, nothing was installed; try again or give another --index", w.file, short(got), short(w.sha256))
	}
	if err := w.unpack(part, filepath.Dir(target)); err != nil {
		return "", i.roomy(fmt.Errorf("unpacking %s: %w", w.file, err))
	}
	_ = os.Remove(part) // 63 MB that are no longer needed, and do no harm
	return target, nil
}

// roomy says how much room is needed if the disk is full.
func (i installer) roomy(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("no space left in %s: installing the plugin takes %s there; free some, or set MURMUR_DATA to a directory on another disk", i.dir, bytesText(i.wheel.size+i.wheel.unpacked))
}

// hashOf is the SHA-256 of a file of exactly size bytes, in hexadecimal; otherwise a word that is no hash.
func hashOf(path string, size int64) string {
	f, err := os.Open(path)
	if err != nil {
		return "missing"
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != size {
		return "of another size"
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "unreadable"
	}
	return hex.EncodeToString(h.Sum(nil))
}

// short is enough of a hash to compare by eye.
func short(sum string) string {
	if len(sum) != 2*sha256.Size {
		return sum
	}
	return sum[:12] + "…"
}

const (
	stallLimit  = 30 * time.Second // without a byte
	dialLimit   = 10 * time.Second // for a connection, and for its TLS handshake
	retryPause  = time.Second      // before a broken download is resumed
	maxAttempts = 5                // downloads in a row that end early
)

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dialLimit}).DialContext
	t.TLSHandshakeTimeout = dialLimit
	t.ResponseHeaderTimeout = stallLimit
	return &http.Client{Transport: t}
}

// unreachable turns what the network said into the sentence that the user reads.
func unreachable(host string, err error) error {
	var dns *net.DNSError
	var reason string
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		reason = "no such host"
	case errors.As(err, &dns):
		reason = "its name cannot be looked up"
	default:
		reason = strings.TrimPrefix(sentence(root(err)), "net/http: ")
	}
	return fmt.Errorf("cannot reach %s (%s): check the network and try again, or name a mirror with --index; training works without the plugin, only slower", host, reason)
}

// root is the innermost error, which says what happened without saying where.
func root(err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err
}
