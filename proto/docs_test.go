package proto

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// documented is docs/protocol.md.
func documented(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// constants lists the constants of envelope.go whose name has a prefix, with what they are in the source.
func constants(t *testing.T, prefix string) map[string]ast.Expr {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "envelope.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]ast.Expr{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, prefix) {
			found[spec.Names[0].Name] = spec.Values[0]
		}
		return true
	})
	return found
}

// TestDomainsDocumented holds the list of signatures' domains in protocol.md to the constants.
func TestDomainsDocumented(t *testing.T) {
	var domains []string
	for name, value := range constants(t, "Domain") {
		domain, err := strconv.Unquote(value.(*ast.BasicLit).Value)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		domains = append(domains, domain)
	}
	_, list, _ := strings.Cut(documented(t), "Domains:")
	list, _, _ = strings.Cut(list, "\n- ")
	var told []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		told = append(told, m[1])
	}
	slices.Sort(domains)
	slices.Sort(told)
	if !slices.Contains(domains, string(DomainUpdate)) || !slices.Equal(told, domains) {
		t.Errorf("protocol.md has the domains %q, there are %q", told, domains)
	}
}

// TestSizesDocumented holds the table of sizes in protocol.md to the limits.
func TestSizesDocumented(t *testing.T) {
	size := func(bytes int) string {
		for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
			if one := 1 << (40 - 10*i); bytes >= one && bytes%one == 0 {
				return fmt.Sprintf("%d %s", bytes/one, unit)
			}
		}
		return fmt.Sprintf("%d bytes", bytes)
	}
	want := map[string]string{
		"MaxGossip":     "| gossip message | " + size(MaxGossip) + " |",
		"MaxEnvelope":   "| payload of an envelope | " + size(MaxEnvelope) + " |",
		"MaxPeerBytes":  "| peer id | " + size(MaxPeerBytes) + " |",
		"MaxManifest":   "| manifest | " + size(MaxManifest) + " |",
		"MaxCommit":     "| commit with its envelopes | " + size(MaxCommit) + "; ",
		"MaxUpdates":    fmt.Sprintf("; %d updates, ", MaxUpdates),
		"MaxEvidence":   fmt.Sprintf(", %d pieces of evidence, ", MaxEvidence),
		"MaxNotices":    fmt.Sprintf(", %d notices |", MaxNotices),
		"MaxRequest":    "| question; answer | " + size(MaxRequest) + "; ",
		"MaxSync":       "; " + size(MaxSync) + " |",
		"MaxHello":      "| `Hello` with a proof and all notices | " + size(MaxHello) + " |",
		"MaxBlob":       "| blob | " + size(MaxBlob) + ", ",
		"MaxMemberList": "", // does not travel
	}
	_, table, _ := strings.Cut(documented(t), "| what | at most |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for name := range constants(t, "Max") {
		if text, known := want[name]; !known || !strings.Contains(table+"\n", text) {
			t.Errorf("protocol.md does not tell of %s: %q", name, text)
		}
	}
}
