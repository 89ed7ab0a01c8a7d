package lfs

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("ab", 32) + "\nsize 4976698672\n"
	for text, want := range map[string]error{pointer: ErrPointer, "": nil, "version": nil, "version 2 of this text is longer than a pointer's first line": nil} {
		if err := Check(strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
