package trial

import (
	"slices"

	"github.com/murmurnet/murmur/trainer/outer"
)

// tuned is the line whose search for a learning rate counts for l.
func (l Line) tuned() Line {
	if l.Like == "" {
		return l
	}
	all := methods()
	return all[slices.IndexFunc(all, func(o Line) bool { return o.Name == l.Like })]
}

// frontier are variations, one thing each: what gets more learning out of the bytes?
func frontier() (ls []Line) {
	vary := func(base, name, title string, change func(*Line, *outer.Settings)) {
		l := Line{Like: base}.tuned()
		s := *l.Method
		l.Name, l.Title, l.Like, l.Claimed = name, title, base, false
		change(&l, &s)
		l.Method = &s
		l.Rate = l.tuned().Rate
		ls = append(ls, l)
	}
	set := func(name, title string, change func(*outer.Settings)) {
		vary(bitlocoH32, name, title, func(_ *Line, s *outer.Settings) { change(s) })
	}
	const halfway = 300 * 4 * 8 * 128 // tokens
	set("chunk-512", "a scale for each 512", func(s *outer.Settings) { s.Chunk = 512 })
	set("momentum-3", "outer momentum .3, rate .7", func(s *outer.Settings) { s.Momentum, s.OuterLR = .3, .7 })
	set("momentum-5", "outer momentum .5, rate .7", func(s *outer.Settings) { s.Momentum, s.OuterLR = .5, .7 })
	set("outer-0.8", "outer rate .8", func(s *outer.Settings) { s.OuterLR = .8 })
	set("outer-1.25", "outer rate 1.25", func(s *outer.Settings) { s.OuterLR = 1.25 })
	set("outer-1.5", "outer rate 1.5", func(s *outer.Settings) { s.OuterLR = 1.5 })
	ls[len(ls)-1].Claimed = true
	vary(bitlocoH32, "one-peer", "1 peer", func(l *Line, _ *outer.Settings) { l.Peers = 1 })
	vary(bitlocoH32, "two-peers", "2 peers", func(l *Line, _ *outer.Settings) { l.Peers = 2 })
	vary(bitlocoH32, "two-peers-outer-1.5", "2 peers, outer rate 1.5", func(l *Line, s *outer.Settings) { l.Peers, s.OuterLR = 2, 1.5 })
	set("outer-2", "outer rate 2", func(s *outer.Settings) { s.OuterLR = 2 })
	vary(bitlocoH10, "h10-outer-1.5", "outer rate 1.5", func(_ *Line, s *outer.Settings) { s.OuterLR = 1.5 })
	vary(bitlocoH10, "bitloco-h10-8", "8 peers", func(l *Line, _ *outer.Settings) { l.Peers = 8 })
	vary(bitlocoH20, "bitloco-h20-8", "8 peers", func(l *Line, _ *outer.Settings) { l.Peers = 8 })
	set("h-rising", "H 20, from half of the tokens on 75", func(s *outer.Settings) {
		s.Schedule = []outer.Point{{H: 20}, {Tokens: halfway, H: 75}}
	})
	vary(bitlocoH32, "fresh", "Muon's momentum from 0 each round", func(l *Line, _ *outer.Settings) { l.Fresh = true })
	vary(bitlocoH10, "bitloco-h10-bf16", "bfloat16 on the device", func(l *Line, _ *outer.Settings) { l.Short = true })
	ls[len(ls)-1].Claimed = true
	set("norms", "norms in 8 bits", func(s *outer.Settings) { s.Norms = "int8" })
	set("embedding", "norms in 8 bits, embedding in 4", func(s *outer.Settings) { s.Norms, s.Embedding = "int8", "fp4" })
	vary("sparseloco", "sparse-norms", "norms in 8 bits", func(_ *Line, s *outer.Settings) { s.Norms = "int8" })
	vary("sparseloco", "sparse-embedding", "norms in 8 bits, embedding in 4", func(_ *Line, s *outer.Settings) { s.Norms, s.Embedding = "int8", "fp4" })
	return ls
}
