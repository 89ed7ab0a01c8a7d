//go:build unix

package worker

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestKilledForMemory tells a child that the system killed for memory from one that somebody killed.
func TestKilledForMemory(t *testing.T) {
	child := exec.CommandContext(t.Context(), "sleep", "60")
	must(t, child.Start())
	must(t, child.Process.Kill())
	waited := child.Wait()
	if err := ending(child.ProcessState, waited, "its last line", true); !errors.Is(err, ErrKilledForMemory) || strings.Contains(err.Error(), "line") {
		t.Errorf("where the system killed for memory: %v", err)
	}
	if err := ending(child.ProcessState, waited, "its last line", false); errors.Is(err, ErrKilledForMemory) || !strings.Contains(err.Error(), "SIGKILL") {
		t.Errorf("where it did not: %v", err)
	}
}
