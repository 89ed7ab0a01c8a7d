package exchange

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestBoundsDocumented holds what architecture.md says of transfers to the bounds.
func TestBoundsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("at most %d fetches and %d questions at once", maxFetches, maxQuestions); !strings.Contains(string(b), want) {
		t.Errorf("architecture.md does not say: %s", want)
	}
}
