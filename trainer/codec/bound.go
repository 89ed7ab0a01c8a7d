package codec

// Most says how much a chunk's scale may count for at most, by the scales that the terms have there. It may reorder them,
// and is called once for each chunk, for several at once.
type Most func(chunk int, scales []float32) float32

// limit asks a Most about one chunk after the other. It serves one goroutine at a time.
type limit struct {
	most         Most      // nil: nothing is bounded
	scales, room []float32 // of the terms
}

func newLimit(most Most, terms []Term) *limit {
	return &limit{most: most, scales: make([]float32, len(terms)), room: make([]float32, len(terms))}
}

// of is what is asked for chunk c, whose scales are set.
func (l *limit) of(c int) float32 {
	if l.most == nil {
		return MaxScale
	}
	copy(l.room, l.scales)
	return l.most(c, l.room)
}

// shares says how much of each scale of chunk c counts; nil where nothing is bounded.
func (l *limit) shares(c int) []float32 {
	if l.most == nil {
		return nil
	}
	copy(l.room, l.scales)
	m := l.most(c, l.room)
	for i, s := range l.scales {
		l.room[i] = 1
		if s > m {
			l.room[i] = m / s
		}
	}
	return l.room
}
