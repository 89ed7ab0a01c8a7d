package gossip

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDropCausesDocumented holds the table of causes in monitoring.md to those that are counted.
func TestDropCausesDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/operate/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "\nWhy gossip is dropped:\n")
	table, _, _ = strings.Cut(table, "\nWhy a node")
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w-]+)` \\|").FindAllStringSubmatch(table, -1) {
		told = append(told, m[1])
	}
	if !slices.Equal(told, causeNames[:]) {
		t.Errorf("monitoring.md tells of %q, counted are %q", told, causeNames)
	}
}
