package writer

import (
	"fmt"
	"strings"
)

const (
	maxStops   = 8   // texts at which one generation ends
	maxStopLen = 256 // bytes of one
)

// stopper ends a text before the first of some others, and holds back what may be the beginning of one.
type stopper struct {
	stops []string
	held  string
}

func newStopper(stops []string) (*stopper, error) {
	if len(stops) > maxStops {
		return nil, fmt.Errorf("a text can end at %d others, %d were named", maxStops, len(stops))
	}
	for _, s := range stops {
		if s == "" || len(s) > maxStopLen {
			return nil, fmt.Errorf("a text to end at has %d bytes: 1 to %d can be looked for", len(s), maxStopLen)
		}
	}
	return &stopper{stops: stops}, nil
}

// push gives what can be told after another piece, and whether the text has ended.
func (s *stopper) push(piece string) (told string, ended bool) {
	s.held += piece
	at := -1
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at >= 0 {
		told, s.held = s.held[:at], ""
		return told, true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	told, s.held = s.held[:len(s.held)-keep], s.held[len(s.held)-keep:]
	return told, false
}
