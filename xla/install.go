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
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// InstallParams says which plugin to fetch, from where, and where to keep it.
type InstallParams struct {
	// Which is the set to install: "cpu", "cuda13", "cuda12" or "rocm".
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
	if p.Which == "cuda" {
		return fmt.Errorf("there are two CUDA plugins: install cuda13 with an NVIDIA driver from %d on, cuda12 with one from %d on", driverFor("cuda13"), driverFor("cuda12"))
	}
	if !slices.Contains(names(), p.Which) {
		return fmt.Errorf("murmur cannot install a plugin called %q, only %s: put others into ~/.local/lib/go-xla as pjrt_c_api_%s_plugin.so", p.Which, strings.Join(names(), ", "), p.Which)
	}
	if _, ok := pinned(p.Which); !ok && p.Which != "cpu" {
		return fmt.Errorf("the %s is for Linux on x86-64 alone, this is %s/%s: install cpu if there is one, or train on the pure-Go backend", title(p.Which), runtime.GOOS, runtime.GOARCH)
	} else if !ok {
		return fmt.Errorf("there is no pinned XLA plugin for %s/%s: training runs on the pure-Go backend", runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// Installed returns the path of the pinned plugin of one name in dir ("" for the user's) if it lies there whole, with
// its libraries. It compares sizes alone; [Install] compares hashes.
func Installed(dir, which string) (path string, ok bool) {
	s, ok := pinned(which)
	if !ok {
		return "", false
	}
	dir, err := pluginDir(dir)
	if err != nil {
		return "", false
	}
	tree := filepath.Join(dir, s.dir())
	return filepath.Join(tree, filepath.FromSlash(s.plugin)), s.whole(tree, false)
}

// Install fetches the wheels of the pinned set, verifies and unpacks each, and returns the plugin's path. What an
// earlier call left unfinished is resumed; what is already there is verified and left alone. A CUDA plugin that this
// machine's driver is too old for is refused.
func Install(ctx context.Context, p InstallParams) (path string, err error) {
	if err := p.Validate(); err != nil {
		return "", err
	}
	if err := newFinder("").tooOld(p.Which); err != nil {
		return "", err
	}
	dir, err := pluginDir(p.Dir)
	if err != nil {
		return "", err
	}
	s, _ := pinned(p.Which)
	i := installer{set: s, index: p.Index, dir: dir, progress: p.Progress, client: newClient(), stall: stallLimit, pause: retryPause, free: freeBytes}
	return i.install(ctx)
}

// installer fetches and unpacks one set. Tests make it with a set and limits of their own.
type installer struct {
	set      set
	wheel    wheel // the one that is being fetched
	before   int64 // bytes of the wheels that are done
	index    string
	dir      string
	progress func(done, total int64)
	client   *http.Client
	stall    time.Duration
	pause    time.Duration
	free     func(dir string) (int64, bool)
}

// install builds the set's tree beside its place, wheel by wheel, and moves it there when all is in it.
func (i installer) install(ctx context.Context) (string, error) {
	s := i.set
	target, staging := filepath.Join(i.dir, s.dir()), filepath.Join(i.dir, "."+s.dir())
	plugin := filepath.Join(target, filepath.FromSlash(s.plugin))
	if err := pathClash(config{plugin: s.kind}, plugin); err != nil {
		return "", fmt.Errorf("installing into %s: %w", i.dir, err)
	}
	if s.whole(target, true) {
		return plugin, nil
	}
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return "", fmt.Errorf("installing %s: %w", s.name, err)
	}
	lock := flock.New(filepath.Join(i.dir, "install.lock"))
	if ok, err := lock.TryLock(); err != nil {
		return "", fmt.Errorf("installing %s: %w", s.name, err)
	} else if !ok {
		return "", fmt.Errorf("another murmur is installing into %s: wait for it", i.dir)
	}
	defer func() { _ = lock.Unlock() }() // closing the file ends the lock in any case
	if s.whole(target, true) {           // by whoever held the lock a moment ago
		return plugin, nil
	}
	if _, err := os.Stat(staging); err != nil {
		_ = os.Rename(target, staging) // a damaged tree, if there is one: what is right in it stays
	}
	if err := os.MkdirAll(staging, 0o700); err != nil {
		return "", fmt.Errorf("installing %s: %w", s.name, err)
	}
	if err := i.fits(staging); err != nil {
		return "", err
	}
	for _, w := range s.wheels {
		i.wheel = w
		if !listed(staging, w.list(), true) {
			if err := i.add(ctx, staging); ctx.Err() != nil {
				return "", i.stopped(context.Cause(ctx))
			} else if err != nil {
				return "", i.roomy(err)
			}
		}
		i.before += w.size
	}
	if !s.whole(staging, false) || !holds(filepath.Join(staging, filepath.FromSlash(s.plugin)), s.size, s.sum, true) {
		_ = os.RemoveAll(staging)
		return "", fmt.Errorf("the plugin %s in %s is not the pinned one: it was deleted, nothing was installed; try again", s.plugin, i.wheel.file)
	}
	if err := replace(staging, target); err != nil {
		return "", fmt.Errorf("installing %s: %w", s.name, err)
	}
	i.tidy()
	return plugin, nil
}

// add fetches one wheel, verifies it and unpacks it into the tree.
func (i installer) add(ctx context.Context, staging string) error {
	w := i.wheel
	part := filepath.Join(i.dir, w.file+".part")
	if err := i.fetch(ctx, part); err != nil {
		return err
	}
	if got := hashOf(part, w.size); got != w.sha256 {
		_ = os.Remove(part)
		return fmt.Errorf("%s arrived damaged or is not the pinned file (SHA-256 %s, not %s): it was deleted, nothing was installed; try again or give another --index", w.file, short(got), short(w.sha256))
	}
	if err := w.unpack(ctx, part, staging); err != nil {
		return fmt.Errorf("unpacking %s: %w", w.file, err)
	}
	_ = os.Remove(part) // no longer needed, and does no harm
	return nil
}

// stopped says how far an install came that was told to end.
func (i installer) stopped(cause error) error {
	done := i.before
	if info, err := os.Stat(filepath.Join(i.dir, i.wheel.file+".part")); err == nil {
		done += info.Size()
	}
	return fmt.Errorf("stopped at %s of %s; the next install goes on from there: %w", bytesText(done), bytesText(i.set.download()), cause)
}

// tidy removes the trees of other versions of the set, and what is left of installs that never ended.
func (i installer) tidy() {
	version := regexp.MustCompile(`^\.?` + regexp.QuoteMeta(i.set.name) + `-[0-9][0-9.]*(\.old)?$`)
	entries, _ := os.ReadDir(i.dir) // it was just written to
	for _, e := range entries {
		if e.IsDir() && e.Name() != i.set.dir() && version.MatchString(e.Name()) {
			_ = os.RemoveAll(filepath.Join(i.dir, e.Name())) // costs room, and does no other harm
		}
	}
}

// fits refuses to begin what the disk has no room for: the files, and beside them one wheel at a time.
func (i installer) fits(staging string) error {
	var need, wheel int64
	for _, w := range i.set.wheels {
		if listed(staging, w.list(), false) {
			continue
		}
		missing := w.size
		if info, err := os.Stat(filepath.Join(i.dir, w.file+".part")); err == nil {
			missing -= min(info.Size(), w.size)
		}
		need, wheel = need+w.unpacked, max(wheel, missing)
	}
	if free, ok := i.free(i.dir); ok && free < need+wheel {
		return fmt.Errorf("only %s are free in %s: the %s takes %s more there; free some, or set MURMUR_DATA to a directory on another disk", bytesText(free), i.dir, title(i.set.name), bytesText(need+wheel))
	}
	return nil
}

// roomy says how much room is needed if the disk is full.
func (i installer) roomy(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("no space left in %s: installing the plugin takes %s there; free some, or set MURMUR_DATA to a directory on another disk", i.dir, bytesText(i.set.download()+i.set.unpacked()))
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
