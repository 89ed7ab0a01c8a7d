package api

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// tokenFile holds what opens the page, in a swarm's directory.
const tokenFile = "page.token"

// PageToken returns the secret that opens the page of the daemon of dir; the first call
// draws it.
func PageToken(dir string) (string, error) {
	path := filepath.Join(dir, tokenFile)
	b, err := os.ReadFile(path)
	if token := strings.TrimSpace(string(b)); err == nil && len(token) >= minToken {
		return token, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the page's token: %w", err)
	}
	return DrawPageToken(dir)
}

// DrawPageToken makes a new secret; the one before opens nothing any more.
func DrawPageToken(dir string) (string, error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // which never fails
	token := base64.RawURLEncoding.EncodeToString(raw)
	if err := os.WriteFile(filepath.Join(dir, tokenFile), []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the page's token: %w", err)
	}
	return token, nil
}

// minToken is how long a token that a person wrote into the file must be.
const minToken = 16

// PageParams say how the page is served.
type PageParams struct {
	Listener net.Listener // at a loopback address
	Token    string       // that questions must bring
	Assets   http.Handler // the page itself, without any secret
}

// Page opens a loopback address to browsers of this machine. Any program, any user and any web
// site that is open here can reach such an address, so a question must bring the token, name
// this address (against names that were made to lead here), and come from the page itself.
func (a *API) Page(p PageParams) {
	answers := a.handler(func(r route) bool { return r.page })
	hosts := names(p.Listener.Addr())
	a.open(p.Listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		why := foreign(r, hosts, p.Token)
		switch {
		case why != "":
			refuse(w, http.StatusForbidden, errors.New(why))
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			answers.ServeHTTP(w, r)
		default:
			p.Assets.ServeHTTP(w, r)
		}
	}))
}

// foreign says why a question is refused.
func foreign(r *http.Request, hosts []string, token string) string {
	at := func(host string) bool {
		for _, h := range hosts {
			if host == h {
				return true
			}
		}
		return false
	}
	origin := r.Header.Get("Origin")
	switch {
	case !at(r.Host):
		return "this page is not served under that name"
	case origin != "" && !at(strings.TrimPrefix(origin, "http://")):
		return "another web site may not ask this node"
	case !strings.HasPrefix(r.URL.Path, "/v1/"):
		return ""
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1:
		return "the token is missing or wrong; open the link that murmur page prints"
	}
	return ""
}

// names are those under which this machine's own browsers reach an address.
func names(addr net.Addr) []string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil
	}
	return []string{net.JoinHostPort(host, port), net.JoinHostPort("localhost", port)}
}
