package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestReasonsDocumented holds the table of reasons in monitoring.md to the constants.
func TestReasonsDocumented(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "policy.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); ok && of.Name == "Reason" {
			for _, v := range spec.Values {
				text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				reasons[text] = true
			}
		}
		return true
	})
	b, err := os.ReadFile("../../docs/operate/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "\nWhy a node does or does not train:\n")
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w-]+)` \\|").FindAllStringSubmatch(table, -1) {
		told[m[1]] = true
	}
	if !reasons[string(Training)] || !maps.Equal(reasons, told) {
		t.Errorf("monitoring.md tells of %q, the reasons are %q", slices.Sorted(maps.Keys(told)), slices.Sorted(maps.Keys(reasons)))
	}
}
