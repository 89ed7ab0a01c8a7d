package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

const (
	maxBody       = 64 << 10
	headerTimeout = 5 * time.Second
	closeTimeout  = time.Second
	maxSocketPath = 100 // the kernel's limit is 104 on macOS, 108 on Linux
	askTimeout    = 10 * time.Minute
)

// SocketPath is where a swarm's directory has its API socket. Deep directories
// do not fit into a socket's address: theirs is in the temporary directory.
func SocketPath(dir string) string {
	p := filepath.Join(dir, "api.sock")
	if len(p) <= maxSocketPath {
		return p
	}
	return filepath.Join(os.TempDir(), "murmur-"+proto.Sum([]byte(dir)).Short()+".sock")
}

// Serve listens on the socket of dir until Close. A socket file that nobody
// serves is replaced; the caller holds the directory's lock.
func Serve(dir string, src Source) (*Server, error) {
	return serve(dir, src, newStream(src, streamTick))
}

func serve(dir string, src Source, watched *stream) (*Server, error) {
	path := SocketPath(dir)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing the old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for status requests: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protecting the socket: %w", err), l.Close())
	}
	return Listen(l, handler(src, watched), watched.run), nil
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
		Handler: h, ReadHeaderTimeout: headerTimeout,
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

func handler(src Source, watched http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/stream", watched)
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) { reply(w, src.State()) })
	mux.HandleFunc("GET /v1/events", since(func(n uint64) any { return src.Events(n) }))
	mux.HandleFunc("GET /v1/rounds", since(func(n uint64) any { return src.Rounds(n) }))
	mux.HandleFunc("GET /v1/curve", since(func(n uint64) any { return src.Curve(n) }))
	change := func(w http.ResponseWriter, f func(*policy.Settings)) {
		if err := src.ChangeSettings(f); err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		reply(w, src.State())
	}
	mux.HandleFunc("POST /v1/pause", func(w http.ResponseWriter, r *http.Request) {
		p, err := policy.ParsePause(r.FormValue("for"), time.Now())
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		p.Keep = r.FormValue("keep") == "1"
		change(w, func(s *policy.Settings) { s.Pause = p })
	})
	mux.HandleFunc("POST /v1/resume", func(w http.ResponseWriter, _ *http.Request) {
		change(w, func(s *policy.Settings) { s.Pause = policy.Pause{} })
	})
	mux.HandleFunc("POST /v1/policy", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		var wanted policy.Settings
		if err == nil {
			wanted, err = policy.DecodeSettings(b)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		change(w, func(s *policy.Settings) { *s = wanted })
	})
	mux.HandleFunc("POST /v1/limits", func(w http.ResponseWriter, r *http.Request) {
		var l Limits
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&l)
		if err == nil {
			err = l.Validate()
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		if err := src.SetLimits(l); err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		reply(w, src.State())
	})
	mux.HandleFunc("GET /v1/members", func(w http.ResponseWriter, _ *http.Request) { reply(w, src.Members()) })
	mux.HandleFunc("POST /v1/revoke", func(w http.ResponseWriter, r *http.Request) {
		var p proto.PeerID
		err := p.UnmarshalText([]byte(r.FormValue("peer")))
		if err == nil {
			err = src.Revoke(p)
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		reply(w, src.Members())
	})
	mux.HandleFunc("POST /v1/rotate", func(w http.ResponseWriter, r *http.Request) {
		if err := src.Rotate(r.FormValue("drop") == "1"); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		reply(w, src.Members())
	})
	mux.HandleFunc("POST /v1/finish", func(w http.ResponseWriter, _ *http.Request) {
		src.Finish()
		reply(w, src.State())
	})
	mux.HandleFunc("POST /v1/heldout", func(w http.ResponseWriter, r *http.Request) {
		h, err := src.Heldout(r.Context())
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, err)
			return
		}
		reply(w, h)
	})
	mux.HandleFunc("POST /v1/keep", func(w http.ResponseWriter, r *http.Request) {
		height, err := strconv.ParseInt(r.FormValue("height"), 10, 64)
		if err != nil {
			refuse(w, http.StatusBadRequest, errors.New("height is not a number"))
			return
		}
		k, err := src.Keep(r.Context(), height)
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, err)
			return
		}
		reply(w, k)
	})
	mux.HandleFunc("POST /v1/generate", func(w http.ResponseWriter, r *http.Request) { generate(w, r, src) })
	return mux
}

// since answers with what came after the number in the question.
func since(after func(uint64) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var n uint64
		if s := r.FormValue("since"); s != "" {
			var err error
			if n, err = strconv.ParseUint(s, 10, 64); err != nil {
				refuse(w, http.StatusBadRequest, errors.New("since is not a number"))
				return
			}
		}
		reply(w, after(n))
	}
}

// generate streams text as JSON lines: {"text":"…"}, at the end possibly
// {"error":"…"}.
func generate(w http.ResponseWriter, r *http.Request, src Source) {
	var g Generate
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&g); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("request is not JSON: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	err := src.Generate(r.Context(), g, func(text string) {
		_ = out.Encode(piece{Text: text}) // a reader that went away cancels r.Context()
		_ = flush.Flush()
	})
	if err != nil {
		_ = out.Encode(piece{Error: err.Error()})
	}
}

// piece is one line of a generated text.
type piece struct {
	Text  string `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails only when the reader is gone
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(piece{Error: err.Error()})
}
