package tui

import (
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/event"
)

// eventCells are those before an event's text.
const eventCells = 22

// eventLines are the node's diary, the newest first.
func eventLines(events []event.Event, width int) []line {
	var out []line
	for _, e := range slices.Backward(events) {
		head := fit(e.Time.Local().Format("Mon "+time.TimeOnly), 13) + fit(string(e.Kind), 8) + " "
		for _, part := range wrap(e.Text, width-eventCells) {
			out = append(out, line{{head, faint}, {part, plain}})
			head = fit("", eventCells)
		}
	}
	if len(out) == 0 {
		out = append(out, inked(faint, "nothing has happened yet"))
	}
	return out
}
