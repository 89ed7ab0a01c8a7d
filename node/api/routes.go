package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// openapi describes all that can be asked and told; a test holds it to the handlers.
//
//go:embed openapi.yaml
var openapi []byte

// route is one thing that can be asked or told; the description has each.
type route struct {
	pattern string
	page    bool // by the page, too: what reads, and what steers this machine's work
	handle  http.HandlerFunc
}

func routes(src Source, watched *stream) []route {
	change := func(w http.ResponseWriter, f func(*policy.Settings)) {
		if err := src.ChangeSettings(f); err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		reply(w, src.State())
	}
	return []route{
		{"GET /v1/openapi.yaml", true, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/yaml")
			_, _ = w.Write(openapi) // fails only when the reader is gone
		}},
		{"GET /v1/stream", true, watched.ServeHTTP},
		{"GET /v1/state", true, func(w http.ResponseWriter, _ *http.Request) { reply(w, src.State()) }},
		{"GET /v1/events", true, since(func(n uint64) any { return src.Events(n) })},
		{"GET /v1/rounds", true, since(func(n uint64) any { return src.Rounds(n) })},
		{"GET /v1/curve", true, since(func(n uint64) any { return src.Curve(n) })},
		{"POST /v1/pause", true, func(w http.ResponseWriter, r *http.Request) {
			p, err := policy.ParsePause(r.FormValue("for"), time.Now())
			if err != nil {
				refuse(w, http.StatusBadRequest, err)
				return
			}
			p.Keep = r.FormValue("keep") == "1"
			change(w, func(s *policy.Settings) { s.Pause = p })
		}},
		{"POST /v1/resume", true, func(w http.ResponseWriter, _ *http.Request) {
			change(w, func(s *policy.Settings) { s.Pause = policy.Pause{} })
		}},
		{"POST /v1/policy", false, func(w http.ResponseWriter, r *http.Request) {
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
		}},
		{"POST /v1/limits", true, func(w http.ResponseWriter, r *http.Request) {
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
		}},
		{"GET /v1/members", false, func(w http.ResponseWriter, _ *http.Request) { reply(w, src.Members()) }},
		{"POST /v1/revoke", false, func(w http.ResponseWriter, r *http.Request) {
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
		}},
		{"POST /v1/rotate", false, func(w http.ResponseWriter, r *http.Request) {
			if err := src.Rotate(r.FormValue("drop") == "1"); err != nil {
				refuse(w, http.StatusBadRequest, err)
				return
			}
			reply(w, src.Members())
		}},
		{"POST /v1/finish", true, func(w http.ResponseWriter, _ *http.Request) {
			src.Finish()
			reply(w, src.State())
		}},
		{"POST /v1/heldout", false, func(w http.ResponseWriter, r *http.Request) {
			h, err := src.Heldout(r.Context())
			if err != nil {
				refuse(w, http.StatusServiceUnavailable, err)
				return
			}
			reply(w, h)
		}},
		{"POST /v1/keep", false, func(w http.ResponseWriter, r *http.Request) {
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
		}},
		{"GET /v1/states", false, func(w http.ResponseWriter, _ *http.Request) { reply(w, src.States()) }},
		{"POST /v1/generate", false, func(w http.ResponseWriter, r *http.Request) { generate(w, r, src) }},
	}
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
	b, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, fmt.Errorf("this cannot be told: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // fails only when the reader is gone
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(piece{Error: err.Error()})
}
