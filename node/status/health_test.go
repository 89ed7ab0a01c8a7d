package status

import (
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
)

// TestLeftOut tells stories of rounds, each a letter: i for included, o for left out, r for one
// in which it rested, and a for one that it closed for itself, and then left for the others'.
func TestLeftOut(t *testing.T) {
	const me, other = proto.PeerID("me"), proto.PeerID("other")
	took := api.Stages{Published: time.Unix(1, 0)}
	for story, want := range map[string]int{
		"": 0, "iii": 0, "o": 1, "ioo": 2, "ooi": 0, "oro": 1, "ooo": 3, "iaaa": 3, "oaoa": 4, "rrr": 0, "ra": 1,
	} {
		var v Snapshot
		for h, letter := range story {
			o := api.Outcome{Height: uint64(h), Included: []proto.PeerID{other}}
			switch letter {
			case 'i':
				o.Included, o.Stages = []proto.PeerID{other, me}, took
			case 'o':
				o.Missing, o.Stages = []proto.PeerID{me}, took
			case 'a':
				v.rounds = append(v.rounds, api.Outcome{Height: o.Height, Closer: me, Included: []proto.PeerID{me}, Missing: []proto.PeerID{other}, Stages: took})
			}
			v.rounds = append(v.rounds, o)
		}
		if got := v.leftOut(me); got != want {
			t.Errorf("%q: left out of %d, want %d", story, got, want)
		}
		if story == "iaaa" { // the newest is its own, for now
			v.rounds = v.rounds[:len(v.rounds)-1]
			if got := v.leftOut(me); got != want-1 {
				t.Errorf("%q, of the last its own alone: left out of %d, want %d", story, got, want-1)
			}
		}
	}
}
