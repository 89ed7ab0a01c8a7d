package lab

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/murmurnet/murmur/p2p"
)

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// addrsOf returns the addresses in a join link.
func addrsOf(link string) []string {
	l, err := p2p.ParseLink(link)
	if err != nil {
		return nil
	}
	return l.Addrs
}

// printable replaces what a terminal would take for commands, or not show: a model
// that has learned little writes any bytes.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}
