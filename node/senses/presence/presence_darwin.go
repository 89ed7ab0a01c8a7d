package presence

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

var idleTime = regexp.MustCompile(`"HIDIdleTime" = (\d+)`)

// last asks the driver of keyboards and mice, which counts nanoseconds.
func last(ctx context.Context) (time.Time, error) {
	out, err := exec.CommandContext(ctx, "ioreg", "-c", "IOHIDSystem", "-d", "4").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("asking ioreg: %w", err)
	}
	m := idleTime.FindSubmatch(out)
	if m == nil {
		return time.Time{}, errNoWay
	}
	idle, err := strconv.ParseInt(string(m[1]), 10, 64)
	return time.Now().Add(-time.Duration(idle)), err
}
