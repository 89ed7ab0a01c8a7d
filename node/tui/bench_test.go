package tui

import "testing"

// BenchmarkState is what each second costs: taking a state in and drawing it.
func BenchmarkState(b *testing.B) {
	for name, story := range stories {
		b.Run(name, func(b *testing.B) {
			s := story()
			s.width, s.height = 200, 60
			for b.Loop() {
				next, _ := s.Update(seen{s.state, noon})
				_ = next.View()
			}
		})
	}
}
