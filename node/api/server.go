package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/murmurnet/murmur/proto"
)

const (
	maxBody       = 64 << 10
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	closeTimeout  = time.Second
	maxSocketPath = 100 // the kernel's limit is 104 on macOS, 108 on Linux
	askTimeout    = 10 * time.Minute
)

const (
	socketFile = "api.sock"
	pathFile   = "api.path" // says where the socket is that does not fit into the directory's name
)

// SocketPath is where a swarm's directory has its API socket. Deep directories do not fit into
// a socket's address: theirs is where the daemon says that it put it, for the temporary
// directory of who asks may be another.
func SocketPath(dir string) string {
	p := filepath.Join(dir, socketFile)
	if len(p) <= maxSocketPath {
		return p
	}
	at, err := os.ReadFile(filepath.Join(dir, pathFile))
	if err != nil {
		return p // nobody serves it
	}
	return strings.TrimSpace(string(at))
}

// newSocketPath chooses where a directory's socket will be, and says so where that is elsewhere.
func newSocketPath(dir string) (string, error) {
	p := filepath.Join(dir, socketFile)
	if len(p) <= maxSocketPath {
		return p, nil
	}
	p = filepath.Join(os.TempDir(), "murmur-"+proto.Sum([]byte(dir)).Short()+".sock")
	if err := os.WriteFile(filepath.Join(dir, pathFile), []byte(p+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("saying where the socket is: %w", err)
	}
	return p, nil
}

// API answers questions about a node at the doors that are opened to it.
type API struct {
	src     Source
	watched *stream
	doors   []*Server
}

// New makes an API without a door.
func New(src Source) *API { return &API{src: src, watched: newStream(src, streamTick)} }

// Socket opens the socket of dir to processes of this user. A socket file that nobody serves
// is replaced; the caller holds the directory's lock.
func (a *API) Socket(dir string) error {
	path, err := newSocketPath(dir)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replacing the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listening for status requests: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("protecting the socket: %w", err), l.Close())
	}
	a.open(own{l.(*net.UnixListener)}, a.handler(func(route) bool { return true }))
	return nil
}

func (a *API) open(l net.Listener, h http.Handler) {
	var beside []func(context.Context)
	if len(a.doors) == 0 { // all doors share one stream
		beside = append(beside, a.watched.run)
	}
	a.doors = append(a.doors, Listen(l, h, beside...))
}

func (a *API) handler(has func(route) bool) *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range routes(a.src, a.watched) {
		if has(r) {
			mux.HandleFunc(r.pattern, r.handle)
		}
	}
	return mux
}

// Close closes all doors and waits for it.
func (a *API) Close() error {
	errs := make([]error, len(a.doors))
	var closing sync.WaitGroup
	for i, d := range a.doors {
		closing.Go(func() { errs[i] = d.Close() })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// Server answers HTTP until it is closed.
type Server struct {
	http    *http.Server
	running sync.WaitGroup
}

// Listen answers at l by h, and runs others beside it; their contexts and those of requests
// end with Close.
func Listen(l net.Listener, h http.Handler, beside ...func(context.Context)) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{http: &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}}
	s.http.RegisterOnShutdown(cancel) // streams end, or it would wait for them
	for _, run := range beside {
		s.running.Go(func() { run(ctx) })
	}
	s.running.Go(func() { _ = s.http.Serve(l) }) // returns when closed
	return s
}

// Close stops serving and waits for it.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	s.running.Wait()
	return err
}
