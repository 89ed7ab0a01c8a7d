package proto

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable tells whether a text of somebody else's can be shown: it holds no character that a terminal would act on.
func Printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
