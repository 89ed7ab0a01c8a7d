package policy

import (
	"fmt"
	"time"
)

// Span is a length of time that is written as 90s, 5m or 2h.
type Span time.Duration

// MarshalText writes it.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads it; nothing negative, and no more than a day.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil || d < 0 || d > maxSpan {
		return fmt.Errorf("%q is no length of time from 0s to %v, such as 90s, 5m or 2h", b, maxSpan)
	}
	*s = Span(d)
	return nil
}

const maxSpan = 24 * time.Hour
