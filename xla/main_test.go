package xla

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// asProbe in the environment makes the test program play the hidden command `murmur xla probe`.
const asProbe = "XLA_TEST_AS_PROBE"

func TestMain(m *testing.M) {
	if os.Getenv(asProbe) != "" {
		if err := RunProbe(context.Background(), os.Args[len(os.Args)-1], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// testProbe is the argv of a probe, and sets the environment that makes it one.
func testProbe(t *testing.T) []string {
	t.Helper()
	t.Setenv(asProbe, "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self}
}
