package xla

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	simpleJSON   = "application/vnd.pypi.simple.v1+json"
	maxIndexSize = 4 << 20 // bytes of one project's page
)

// locate asks the index where the pinned wheel lies. The index may offer other files; the one of the pinned name must
// have the pinned hash and size.
func (i installer) locate(ctx context.Context) (string, error) {
	w := i.wheel
	base, err := url.Parse(strings.TrimSuffix(cmp.Or(i.index, DefaultIndex), "/") + "/" + w.project + "/")
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return "", fmt.Errorf("--index %q is not a web address such as %s", i.index, DefaultIndex)
	}
	body, header, err := i.get(ctx, base)
	if err != nil {
		return "", err
	}
	var page struct {
		Files []struct {
			Filename string            `json:"filename"`
			URL      string            `json:"url"`
			Size     int64             `json:"size"` // absent from old indexes
			Hashes   map[string]string `json:"hashes"`
		} `json:"files"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return "", fmt.Errorf("%s does not speak the Simple JSON API (it sent %s): name another index with --index", base.Host, cmp.Or(header.Get("Content-Type"), "something else"))
	}
	for _, f := range page.Files {
		if f.Filename != w.file {
			continue
		}
		if f.Hashes["sha256"] != w.sha256 || f.Size != 0 && f.Size != w.size {
			return "", fmt.Errorf("%s offers another %s (SHA-256 %s, %d bytes) than the pinned one (%s, %d bytes): name another index with --index",
				base.Host, w.file, short(cmp.Or(f.Hashes["sha256"], "not told")), f.Size, short(w.sha256), w.size)
		}
		at, err := base.Parse(f.URL)
		if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
			return "", fmt.Errorf("%s gives no web address for %s", base.Host, w.file)
		}
		return at.String(), nil
	}
	return "", fmt.Errorf("%s does not offer %s, only %d other files of %s: name another index with --index", base.Host, w.file, len(page.Files), w.project)
}

// get reads one page of the index.
func (i installer) get(ctx context.Context, at *url.URL) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, i.stall, fmt.Errorf("no answer within %v", i.stall))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", simpleJSON)
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, nil, unreachable(at.Host, because(ctx, err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answers %q when asked for %s: try later, or name another index with --index", at.Host, resp.Status, i.wheel.project)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxIndexSize+1))
	if err != nil {
		return nil, nil, unreachable(at.Host, because(ctx, err))
	}
	if len(body) > maxIndexSize {
		return nil, nil, fmt.Errorf("%s sent over %s about %s: name another index with --index", at.Host, bytesText(maxIndexSize), i.wheel.project)
	}
	return body, resp.Header, nil
}

// because prefers the reason why ctx ended to what the network made of it.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
