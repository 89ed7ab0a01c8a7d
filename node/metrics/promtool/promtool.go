// Package promtool runs Prometheus' own checker in tests.
//
// Tests skip where it is not installed, unless MURMUR_REQUIRE_PROMTOOL is set. The package must
// not know what is checked.
package promtool

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Run runs promtool with an input and returns what it printed; the test ends here where it finds fault.
func Run(t testing.TB, input string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("MURMUR_REQUIRE_PROMTOOL") != "" {
			t.Fatal("MURMUR_REQUIRE_PROMTOOL is set, and there is no promtool in PATH")
		}
		t.Skip("there is no promtool in PATH: it comes with Prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
