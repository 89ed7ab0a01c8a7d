package health

import (
	"math"
	"slices"
	"time"
)

const (
	// mostMove is how many times as far as usual a commit may move the shared model. Training stays below 2.4 from the
	// first rounds on, also where fragments take turns and nodes are killed and return; a warm-up stays below 2, and
	// seven of eight nodes that leave at once make it 2.8. What comes nearest is one of two nodes that was cut off and
	// then brings all that it learned: 30 after 26 rounds, and 50 after the 40 that snapshots 20 rounds apart allow.
	// An update of scale 60,000 is a hundred million times the usual. Sixty usual moves of the default model, of 0.3 to
	// 4, are about as long as the model, of 19 when it begins. The held-out loss would tell, too, but once in 20 rounds
	// where a commit tells at once, and not of private data.
	mostMove   = 60
	usualMoves = 16  // whose median is usual
	leastMoves = 4   // before there is a median that says something
	mostRatio  = 1e9 // of a move to the usual one, so that it can be written down
	jumpShown  = day // how long a jump is shown: who looks once a day sees it, while daily states are kept for seven
	day        = 24 * time.Hour
)

// Moves are how far commits moved the shared model, one after the other.
type Moves struct{ recent []float64 }

// Note takes in the L2 norm of a commit's move, and returns it as a multiple of the median of those before; 0 where
// that is not known. A norm of 0 says nothing: an update of a node that had nothing to learn.
func (m *Moves) Note(norm float64) (ratio float64) {
	if norm == 0 {
		return 0
	}
	if len(m.recent) >= leastMoves {
		usual := slices.Sorted(slices.Values(m.recent))[len(m.recent)/2]
		if ratio = norm / usual; !(ratio <= mostRatio) {
			ratio = mostRatio
		}
	}
	if math.IsNaN(norm) {
		norm = math.Inf(1) // it can be sorted
	}
	m.recent = append(m.recent, norm)
	if len(m.recent) > usualMoves {
		m.recent = append(m.recent[:0], m.recent[1:]...)
	}
	return ratio
}

// Jump tells whether a ratio that Note returned is one that training does not reach.
func Jump(ratio float64) bool { return ratio > mostMove }
