// Package energy reads the signal by which a home trains when power is cheap, clean or its own:
// a number in a file, in what a command prints, or in a field of JSON at an https address.
//
// It bounds what it reads and how long that may take. It must not judge the number: node/policy
// does.
package energy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/murmurnet/murmur/node/policy"
)

const (
	maxAnswer = 1 << 20 // bytes: a day of prices in JSON is 20 KB
	maxWait   = 15 * time.Second
	maxAge    = 2 * time.Hour // of a file: prices change each hour, and whoever wrote it may be dead
	killWait  = time.Second   // for a command's children to let go of its output
)

// Read reads the signal once. client is asked for https addresses.
func Read(ctx context.Context, client *http.Client, from policy.Energy) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	var b []byte
	var err error
	switch {
	case from.File != "":
		b, err = file(from.File)
	case len(from.Command) > 0:
		b, err = command(ctx, from.Command)
	default:
		b, err = fetch(ctx, client, from.URL)
	}
	if err != nil {
		return 0, err
	}
	return number(b, from.Field)
}

func file(path string) ([]byte, error) {
	// A pipe that nobody writes to would wait for ever.
	i, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !i.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case time.Since(i.ModTime()) > maxAge:
		return nil, fmt.Errorf("nobody has written %s for %v", path, maxAge)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxAnswer))
}

func command(ctx context.Context, args []string) ([]byte, error) {
	var out limited
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Stdout, c.WaitDelay = &out, killWait
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s did not end within %v", args[0], maxWait)
		}
		return nil, fmt.Errorf("%s: %w", args[0], err)
	}
	return out.Bytes(), nil
}

// limited keeps the first maxAnswer bytes.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	_, _ = l.Buffer.Write(b[:min(len(b), maxAnswer-l.Len())]) // which never fails
	return len(b), nil
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxAnswer))
}

// number finds the signal in an answer.
func number(b []byte, field string) (float64, error) {
	text := strings.TrimSpace(string(b))
	if field != "" {
		if !gjson.Valid(text) {
			return 0, errors.New("the answer is not JSON")
		}
		v := gjson.Get(text, field)
		if !v.Exists() {
			return 0, fmt.Errorf("the answer has no field %s", field)
		}
		text = v.String() // some write numbers as text
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%.40q is not a number", text)
	}
	return v, nil
}
