package choice

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Bounds on a file. The largest split of the six data sets has 40,398 items, its longest lines are under 8 KiB.
const (
	MaxItems   = 1 << 16
	MaxLine    = 1 << 16 // bytes
	MaxChoices = 16      // of an item
)

// Read reads a task's items, one JSON object a line; name is the file's, for errors. Fields that the task does not
// use are ignored, as are empty lines. All lines are checked before the first is scored, so a broken one does not
// cost an evaluation.
func Read(r io.Reader, name string, task Task) ([]Item, error) {
	format, err := task.format()
	if err != nil {
		return nil, err
	}
	var items []Item
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxLine+1)
	number := 0
	for lines.Scan() {
		number++
		if len(lines.Bytes()) == 0 {
			continue
		}
		if len(items) == MaxItems {
			return nil, fmt.Errorf("choice: %s has more than %d items: split it", name, MaxItems)
		}
		item, err := parse(lines.Bytes(), format)
		if err != nil {
			return nil, fmt.Errorf("choice: %s:%d: %w (reading it as %s)", name, number, err, task)
		}
		item.Line = number
		items = append(items, item)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("choice: %s:%d: the line is longer than %d bytes; want one JSON object a line", name, number+1, MaxLine)
	case err != nil:
		return nil, fmt.Errorf("choice: %s: %w", name, err)
	case len(items) == 0:
		return nil, fmt.Errorf("choice: %s has no items", name)
	}
	return items, nil
}

func parse(line []byte, format func(*record) Item) (Item, error) {
	if !utf8.Valid(line) {
		return Item{}, errors.New("the line is not UTF-8")
	}
	r := &record{}
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(line, &r.fields); {
	case errors.As(err, &syntax):
		return Item{}, fmt.Errorf("the line is not JSON: %w", err)
	case err != nil || r.fields == nil:
		return Item{}, errors.New("the line is not a JSON object")
	}
	item := format(r)
	return item, r.err
}

// record is a line's JSON object. Its methods give a field's value, or the zero value after noting in err what is
// wrong with it; the first such note stays.
type record struct {
	fields map[string]json.RawMessage
	err    error
}

func (r *record) refuse(field, problem string) {
	if r.err == nil {
		r.err = fmt.Errorf("field %q %s", field, problem)
	}
}

// decode is false when the field is missing, null or of another type.
func (r *record) decode(field string, into any, want string) bool {
	raw, ok := r.fields[field]
	switch {
	case !ok:
		r.refuse(field, "is missing")
	case string(raw) == "null" || json.Unmarshal(raw, into) != nil:
		r.refuse(field, "is not "+want)
	default:
		return true
	}
	return false
}

func (r *record) text(field string) (text string) {
	r.decode(field, &text, "a string")
	return text
}

// texts gives a list of 1 to MaxChoices strings; path leads through objects.
func (r *record) texts(path ...string) []string {
	field := path[0]
	if len(path) > 1 {
		inner := &record{}
		if !r.decode(field, &inner.fields, "an object") {
			return nil
		}
		list := inner.texts(path[1:]...)
		if inner.err != nil {
			r.refuse(field, "holds an object whose "+inner.err.Error())
		}
		return list
	}
	var list []*string // a null in a list of strings would pass for ""
	if !r.decode(field, &list, "a list of strings") {
		return nil
	}
	if len(list) < 1 || len(list) > MaxChoices {
		r.refuse(field, fmt.Sprintf("has %d entries, want 1 to %d", len(list), MaxChoices))
		return nil
	}
	texts := make([]string, len(list))
	for i, text := range list {
		if text == nil {
			r.refuse(field, "is not a list of strings")
			return nil
		}
		texts[i] = *text
	}
	return texts
}

// labelled finds the choice whose label is the key.
func (r *record) labelled(key string, choices int) int {
	labels := r.texts("choices", "label")
	if len(labels) != choices {
		r.refuse("choices", fmt.Sprintf("has %d texts and %d labels", choices, len(labels)))
	}
	at := slices.Index(labels, key)
	if at < 0 {
		r.refuse("answerKey", fmt.Sprintf("is %q, want one of %q (test splits are published without answers)", key, labels))
	}
	return at
}

// ordinal gives the index of the n choices that an integer, or one in a string, counts from first.
func (r *record) ordinal(field string, first, n int) int {
	var number json.Number
	want := fmt.Sprintf("an integer from %d to %d (test splits are published without answers)", first, first+n-1)
	if !r.decode(field, &number, want) {
		return 0
	}
	value, err := strconv.Atoi(number.String())
	if err != nil || value < first || value >= first+n {
		r.refuse(field, "is not "+want)
	}
	return value - first
}
