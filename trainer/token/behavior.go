package token

import "fmt"

// behavior says what becomes of the matches of a pattern that splits.
type behavior int

const (
	removed behavior = iota
	isolated
	contiguous // neighbours of one kind, matches or not, stay together
	mergedWithPrevious
	mergedWithNext
)

// parseBehavior reads the word for one; none is otherwise, unless that is negative.
func parseBehavior(s *string, otherwise behavior) (behavior, error) {
	if s == nil && otherwise >= 0 {
		return otherwise, nil
	}
	if s == nil {
		return 0, fmt.Errorf("a Split without behavior is not taken")
	}
	switch *s {
	case "Removed":
		return removed, nil
	case "Isolated":
		return isolated, nil
	case "Contiguous":
		return contiguous, nil
	case "MergedWithPrevious":
		return mergedWithPrevious, nil
	case "MergedWithNext":
		return mergedWithNext, nil
	}
	return 0, fmt.Errorf("the behavior %.40q is not implemented", *s)
}

// joins reports whether a part stays together with the one before it; each is a match or not.
func (b behavior) joins(before, this bool) bool {
	switch b {
	case contiguous:
		return before == this
	case mergedWithPrevious:
		return !before && this
	case mergedWithNext:
		return before && !this
	}
	return false
}

// splitBy splits at what find finds, or at what lies between where invert is set.
func splitBy(find finder, b behavior, invert bool) splitter {
	return func(piece string, first bool, next func(string, bool)) {
		start, end, was := 0, 0, false // the part that waits for the next one to join it
		give := func() {
			if start < end && (b != removed || !was) {
				next(piece[start:end], first && start == 0)
			}
		}
		add := func(to int, match bool) {
			if start == end || !b.joins(was, match) {
				give()
				start = end
			}
			end, was = to, match
		}
		for end < len(piece) {
			from, to := find(piece, end)
			if from < 0 {
				add(len(piece), invert)
				break
			}
			if from > end {
				add(from, invert)
			}
			add(to, !invert)
		}
		give()
	}
}

// splitRunes splits at single characters.
func splitRunes(is func(rune) bool, b behavior) splitter {
	return splitBy(func(s string, at int) (int, int) {
		for i, r := range s[at:] {
			if is(r) {
				return at + i, at + i + len(string(r))
			}
		}
		return -1, -1
	}, b, false)
}
