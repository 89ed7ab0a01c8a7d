package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

const (
	tagSuffix = ".tag"
	maxTag    = 4 << 10 // bytes of what a server says about a file
)

// tag is what a server said about the file that a part belongs to, kept beside the part.
type tag struct {
	Validator string `json:"validator"` // an ETag or a date; "" when the server gave none: then nothing can be resumed
	Size      int64  `json:"size"`      // -1 when it is not known
}

// transfer is a file that is being fetched.
type transfer struct {
	file   *os.File
	tag    tag
	offset int64
}

// openTransfer takes up a part. Without a tag that allows it to be resumed it starts over.
func openTransfer(part string) (*transfer, error) {
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	t := &transfer{file: file, tag: tag{Size: -1}}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	t.offset = info.Size()
	var known tag
	b, err := os.ReadFile(part + tagSuffix)
	if err == nil && len(b) <= maxTag && json.Unmarshal(b, &known) == nil && known.Validator != "" && (known.Size < 0 || t.offset <= known.Size) {
		t.tag = known
	} else if err := t.restart(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return t, nil
}

// whole tells whether all is there, as far as that is known.
func (t *transfer) whole() bool { return t.tag.Size >= 0 && t.offset == t.tag.Size }

// restart drops what is there.
func (t *transfer) restart() error {
	t.offset, t.tag = 0, tag{Size: -1}
	if err := t.file.Truncate(0); err != nil {
		return permanent{err}
	}
	return nil
}

// begin looks at an answer: does it go on from the offset, start over, or neither?
func (t *transfer) begin(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusPartialContent:
		if t.offset > 0 && t.continues(resp) {
			return nil
		}
		return errors.Join(errors.New("the server answers with another part than was asked for"), t.restart())
	case code == http.StatusOK:
		return t.startOver(resp)
	case code == http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(errors.New("the server refuses to go on from there"), t.restart())
	case code == http.StatusRequestTimeout || code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("the server answers %q", resp.Status)
	}
	return permanent{fmt.Errorf("the server answers %q", resp.Status)}
}

// continues tells whether an answer is the rest of the same file.
func (t *transfer) continues(resp *http.Response) bool {
	var first, last, size int64
	n, err := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &last, &size)
	if err != nil || n != 3 || first != t.offset || last < first || last >= size || t.tag.Size >= 0 && size != t.tag.Size {
		return false
	}
	if v := validator(resp); v != "" && v != t.tag.Validator {
		return false
	}
	t.tag.Size = size
	return true
}

// startOver begins the file that an answer brings.
func (t *transfer) startOver(resp *http.Response) error {
	if err := t.restart(); err != nil {
		return err
	}
	if resp.ContentLength > maxDownload {
		return permanent{fmt.Errorf("a file of %s is more than murmur fetches", bytesText(resp.ContentLength))}
	}
	t.tag = tag{validator(resp), resp.ContentLength}
	b, err := json.Marshal(t.tag)
	if err == nil {
		err = os.WriteFile(t.file.Name()+tagSuffix, b, 0o644) // a cut one is no JSON, and makes the part start over
	}
	if err != nil {
		return permanent{err}
	}
	return nil
}

// validator is what If-Range may ask for: a strong ETag, or else a date.
func validator(resp *http.Response) string {
	if e := resp.Header.Get("ETag"); strings.HasPrefix(e, `"`) && len(e) <= maxTag/4 {
		return e
	}
	return resp.Header.Get("Last-Modified")
}

// write adds bytes.
func (t *transfer) write(b []byte) error {
	if end := t.offset + int64(len(b)); end > maxDownload || t.tag.Size >= 0 && end > t.tag.Size {
		return errors.Join(permanent{fmt.Errorf("the server sends more than the %s that it announced", bytesText(t.tag.Size))}, t.restart())
	}
	if _, err := t.file.WriteAt(b, t.offset); err != nil {
		return permanent{err}
	}
	t.offset += int64(len(b))
	return nil
}
