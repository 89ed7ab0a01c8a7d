package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/murmurnet/murmur/node/event"
)

// maxMessage bounds one message of a stream: a state with a thousand peers is 300 KB.
const maxMessage = 8 << 20

// Watcher takes what a stream tells; what is nil is left out.
type Watcher struct {
	Begin func() error      // at first, and when something was missed
	State func(State) error // at first and at each change
	Event func(event.Event) error
	Round func(Outcome) error
}

// Watch follows the node until ctx or the daemon ends, or a Watcher's function fails. A stream
// that ends because it was read too slowly is begun anew.
func (c *Client) Watch(ctx context.Context, w Watcher) error {
	for {
		if err := c.watch(ctx, w); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// watch follows one stream to its end.
func (c *Client) watch(ctx context.Context, w Watcher) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://murmur/v1/stream", nil)
	if err != nil {
		return err
	}
	res, err := c.send(&http.Client{Transport: c.http.Transport}, req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxMessage)
	var kind, data string
	var state []byte
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "data":
			data = value
		case "": // the message is whole
			if err := w.take(kind, []byte(data), &state); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("watching the daemon: %w", err)
	}
	return nil
}

func (w Watcher) take(kind string, data []byte, state *[]byte) (err error) {
	switch kind {
	case "patch":
		if w.State == nil {
			return nil
		}
		if data, err = jsonpatch.MergePatch(*state, data); err != nil {
			return fmt.Errorf("following the daemon's state: %w", err)
		}
		*state = data
		return pass(data, w.State)
	case "state":
		*state = data
		if w.Begin != nil {
			err = w.Begin()
		}
		return errors.Join(err, pass(data, w.State))
	case "event":
		return pass(data, w.Event)
	case "round":
		return pass(data, w.Round)
	default:
		return nil // of a newer daemon
	}
}

func pass[T any](data []byte, to func(T) error) error {
	if to == nil {
		return nil
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("reading the daemon's words: %w", err)
	}
	return to(v)
}
