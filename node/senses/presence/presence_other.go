//go:build !linux && !darwin && !windows

package presence

import (
	"context"
	"time"
)

func last(context.Context) (time.Time, error) { return time.Time{}, errNoWay }
