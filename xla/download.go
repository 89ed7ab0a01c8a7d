package xla

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

// errStalled is why a request without bytes is ended.
var errStalled = errors.New("no bytes arrived")

// fetch brings the part file to the wheel's size. What lies there already is resumed, also after a connection that
// broke. It gives up, keeping what it has, when a request stalls before its first byte or maxAttempts in a row bring
// nothing new.
func (i installer) fetch(ctx context.Context, part string) error {
	if info, err := os.Stat(part); err == nil && info.Size() == i.wheel.size {
		return nil
	}
	at, err := i.locate(ctx)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("downloading %s: %w", i.wheel.file, err)
	}
	defer file.Close()
	host := at
	if u, err := url.Parse(at); err == nil {
		host = u.Host
	}
	for attempt := 1; ; attempt++ {
		before, _ := file.Seek(0, io.SeekEnd)
		err := i.fetchOnce(ctx, at, file)
		after, _ := file.Seek(0, io.SeekEnd)
		var final permanent
		switch {
		case err == nil:
			return file.Sync()
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &final):
			return fmt.Errorf("downloading %s from %s: %w", i.wheel.file, host, final.error)
		case after > before:
			attempt = 0
		case errors.Is(err, errStalled):
			return i.kept(host, after, fmt.Sprintf("nothing came for %v", i.stall))
		case attempt >= maxAttempts:
			return i.kept(host, after, sentence(root(err)))
		}
		select {
		case <-time.After(i.pause):
		case <-ctx.Done():
		}
	}
}

// kept says where the download stands and that it can go on from there.
func (i installer) kept(host string, size int64, reason string) error {
	return fmt.Errorf("the download from %s breaks off at %s of %s (%s): run the same command again to go on from there, or name another index with --index",
		host, bytesText(size), bytesText(i.wheel.size), reason)
}

// permanent is an error that another attempt would meet again.
type permanent struct{ error }

// fetchOnce makes one request and appends what comes. A server that ignores the range, or that has another idea of the
// file's length, makes it start over.
func (i installer) fetchOnce(ctx context.Context, at string, file *os.File) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	offset, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return permanent{err}
	}
	if offset > i.wheel.size {
		if err := restart(file); err != nil {
			return permanent{err}
		}
		offset = 0
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return permanent{err}
	}
	req.Header.Set("Accept-Encoding", "identity") // a compressed answer would make ranges and sizes mean something else
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
		want := fmt.Sprintf("bytes %d-%d/%d", offset, i.wheel.size-1, i.wheel.size)
		if got := resp.Header.Get("Content-Range"); offset == 0 || got != want {
			return errors.Join(errors.New("the server answers with another range"), restart(file))
		}
	case http.StatusOK:
		if err := restart(file); err != nil {
			return permanent{err}
		}
		offset = 0
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(errors.New("the server refuses to resume"), restart(file))
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("the server answers %q", resp.Status)
	default:
		return permanent{fmt.Errorf("the server answers %q: try later, or name another index with --index", resp.Status)}
	}
	watchdog := time.AfterFunc(i.stall, func() { cancel(errStalled) })
	defer watchdog.Stop()
	return i.receive(ctx, resp.Body, file, offset, func() { watchdog.Reset(i.stall) })
}

// receive copies the body behind offset, calling alive for each piece, and wants exactly the rest of the wheel.
func (i installer) receive(ctx context.Context, body io.Reader, file *os.File, offset int64, alive func()) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			alive()
			if offset+int64(n) > i.wheel.size {
				return errors.Join(permanent{fmt.Errorf("the server sends more than the pinned size of %d bytes: nothing was kept, name another index with --index", i.wheel.size)}, restart(file))
			}
			if _, err := file.WriteAt(buf[:n], offset); err != nil {
				return permanent{err}
			}
			offset += int64(n)
			if i.progress != nil {
				i.progress(i.before+offset, i.set.download())
			}
		}
		switch {
		case err == io.EOF && offset == i.wheel.size:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
}

// restart empties the part file.
func restart(file *os.File) error { return file.Truncate(0) }
