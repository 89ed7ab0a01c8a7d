// Package presence tells when somebody last touched this machine: its keyboard, mouse or a
// terminal. It does not look at how busy the processor is, which says nothing about people.
//
// It asks the desktop and the system, reads no key that was pressed, and keeps nothing. Where a
// desktop tells no more than that somebody is there, the last touch is now.
package presence

import (
	"context"
	"time"
)

// askLimit bounds one question to the system.
const askLimit = 2 * time.Second

// Last returns when the machine was last touched; zero where nobody is logged in.
func Last(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return last(ctx)
}
