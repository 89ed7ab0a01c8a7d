package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// TestInterrupted has a command that knows where it goes on say so, and any other that it was interrupted.
func TestInterrupted(t *testing.T) {
	cause := errors.New("interrupt signal received")
	for want, err := range map[string]error{
		"stopped at 3 MB; the next one goes on from there": fmt.Errorf("stopped at 3 MB; the next one goes on from there: %w", cause),
		"stopped at 4 MB": fmt.Errorf("stopped at 4 MB: %w", context.Canceled),
		"interrupted":     fmt.Errorf("reading: %w (%s)", context.Canceled, "a file"),
	} {
		if got := interrupted(err, cause).Error(); got != want {
			t.Errorf("%v is told as %q, want %q", err, got, want)
		}
	}
}
