package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gofrs/flock"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// ErrNoDaemon says that no daemon serves a directory.
var ErrNoDaemon = errors.New("no murmur daemon is running here; start one with: murmur up")

// ErrUnanswered says that a daemon holds a directory, but does not answer at its socket.
var ErrUnanswered = errors.New("a murmur daemon runs here, but its socket cannot be reached: nothing was changed; stop it and start it again")

// Client talks to the daemon of one swarm's directory.
type Client struct{ http *http.Client }

// NewClient makes a client for a directory; it connects when first used.
func NewClient(dir string) *Client {
	return &Client{http: &http.Client{
		Timeout: askTimeout,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "unix", SocketPath(dir)) // it is known once the daemon is there
			if err != nil {
				if held(dir) {
					return nil, fmt.Errorf("%w: %w", ErrUnanswered, err)
				}
				return nil, fmt.Errorf("%w (%w)", ErrNoDaemon, err)
			}
			return c, nil
		}},
	}}
}

// held tells whether a daemon has the directory's lock.
func held(dir string) bool {
	name := filepath.Join(dir, "lock")
	if _, err := os.Stat(name); err != nil {
		return false // nor is there a reason to make one
	}
	l := flock.New(name)
	free, err := l.TryRLock()
	if free {
		_ = l.Unlock() // it was taken for a moment, to look
	}
	return !free && err == nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// State reads the state tree.
func (c *Client) State(ctx context.Context) (s State, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/state", &s)
}

// Events reads the events after a sequence number.
func (c *Client) Events(ctx context.Context, since uint64) (e []event.Event, err error) {
	return e, c.call(ctx, http.MethodGet, "/v1/events?since="+strconv.FormatUint(since, 10), &e)
}

// Rounds reads how the newest rounds above a height went.
func (c *Client) Rounds(ctx context.Context, since uint64) (o []Outcome, err error) {
	return o, c.call(ctx, http.MethodGet, "/v1/rounds?since="+strconv.FormatUint(since, 10), &o)
}

// Curve reads the swarm's held-out losses above a height.
func (c *Client) Curve(ctx context.Context, since uint64) (h []Heldout, err error) {
	return h, c.call(ctx, http.MethodGet, "/v1/curve?since="+strconv.FormatUint(since, 10), &h)
}

// Pause stops training for a while, as policy.ParsePause reads it, or until Resume. The
// trainer may keep its device meanwhile.
func (c *Client) Pause(ctx context.Context, span string, keep bool) (s State, err error) {
	q := url.Values{"for": {span}}
	if keep {
		q.Set("keep", "1")
	}
	return s, c.call(ctx, http.MethodPost, "/v1/pause?"+q.Encode(), &s)
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context) (s State, err error) {
	return s, c.call(ctx, http.MethodPost, "/v1/resume", &s)
}

// SetPolicy changes what a person wants of the machine.
func (c *Client) SetPolicy(ctx context.Context, s policy.Settings) error {
	return c.post(ctx, "/v1/policy", s)
}

// SetLimits changes what the node may take of the line.
func (c *Client) SetLimits(ctx context.Context, l Limits) error { return c.post(ctx, "/v1/limits", l) }

// Members lists who belongs to the swarm, as far as the node has met them.
func (c *Client) Members(ctx context.Context) (ms []Member, err error) {
	return ms, c.call(ctx, http.MethodGet, "/v1/members", &ms)
}

// Revoke throws a peer out of the swarm.
func (c *Client) Revoke(ctx context.Context, peer proto.PeerID) error {
	return c.call(ctx, http.MethodPost, "/v1/revoke?peer="+peer.String(), &[]Member{})
}

// Rotate gives the community a new key, or with drop ends the older ones.
func (c *Client) Rotate(ctx context.Context, drop bool) error {
	path := "/v1/rotate"
	if drop {
		path += "?drop=1"
	}
	return c.call(ctx, http.MethodPost, path, &[]Member{})
}

// Finish has the node leave once its work is in.
func (c *Client) Finish(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/finish", &State{})
}

// Heldout measures the head's held-out loss.
func (c *Client) Heldout(ctx context.Context) (h Heldout, err error) {
	return h, c.call(ctx, http.MethodPost, "/v1/heldout", &h)
}

// Keep puts the state of a height, or the newest below 0, on the node's disk as a whole.
func (c *Client) Keep(ctx context.Context, height int64) (k Kept, err error) {
	return k, c.call(ctx, http.MethodPost, "/v1/keep?height="+strconv.FormatInt(height, 10), &k)
}

// States lists the states that the node can go back to.
func (c *Client) States(ctx context.Context) (h []Held, err error) {
	return h, c.call(ctx, http.MethodGet, "/v1/states", &h)
}

// Generate asks for a text and passes on each piece as it comes.
func (c *Client) Generate(ctx context.Context, g Generate, emit func(text string)) error {
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, http.MethodPost, "/v1/generate", body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		var p piece
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return fmt.Errorf("reading the daemon's answer: %w", err)
		}
		if p.Error != "" {
			return errors.New(p.Error)
		}
		emit(p.Text)
	}
	return lines.Err()
}

func (c *Client) post(ctx context.Context, path string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	res, err := c.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (c *Client) call(ctx context.Context, method, path string, answer any) error {
	res, err := c.do(ctx, method, path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://murmur"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.send(c.http, req)
}

func (c *Client) send(by *http.Client, req *http.Request) (*http.Response, error) {
	res, err := by.Do(req)
	if err != nil {
		for _, known := range []error{ErrNoDaemon, ErrUnanswered} {
			if errors.Is(err, known) {
				return nil, known
			}
		}
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		var p piece
		if err := json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(&p); err != nil || p.Error == "" {
			return nil, fmt.Errorf("the daemon answered %s", res.Status)
		}
		return nil, errors.New(p.Error)
	}
	return res, nil
}
