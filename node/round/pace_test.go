package round

import (
	"fmt"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// plagues are what one who wants rounds to be slow can do, at each moment.
var plagues = map[string]func(b *mob){
	"one stands on the base": func(b *mob) {
		b.say(b.keys[:1], b.s.nodes[0].m.base.Commit, b.s.nodes[0].m.base.Height)
	},
	"many stand on the head and do nothing": func(b *mob) {
		b.say(b.keys, b.s.nodes[0].m.head.Commit, b.s.nodes[0].m.head.Height)
	},
	"many are further on": func(b *mob) {
		b.say(b.keys, Commit{ID: payloadOf("nowhere", b.seq, 0)}, b.s.nodes[0].m.head.Height+1000)
	},
	"many publish late": func(b *mob) {
		if p := b.s.nodes[0].m.head.parent; p != nil {
			for _, k := range b.some(8) {
				b.tell(Seen{Update: b.sign(k, p.Commit)})
			}
		}
	},
	"many publish without payloads": func(b *mob) {
		b.mute = true
		for _, k := range b.some(8) {
			b.tell(Seen{Update: b.sign(k, b.s.nodes[0].m.head.Commit)})
		}
		b.say(b.keys, b.s.nodes[0].m.head.Commit, b.s.nodes[0].m.head.Height)
	},
	"many announce what is not there": func(b *mob) {
		for _, k := range b.some(8) {
			b.seq++
			b.tell(Announced{Commit: payloadOf(k, b.seq, 5), Parent: b.s.nodes[0].m.head.ID, Height: b.s.nodes[0].m.head.Height + 1, Closer: k})
		}
	},
	"many close rounds of their own": func(b *mob) {
		for _, k := range b.some(2) {
			b.announce(b.close(b.s.nodes[0].m.head.Commit, []proto.PeerID{k}, true))
		}
	},
}

// say has keys send a heartbeat.
func (b *mob) say(keys []proto.PeerID, on Commit, height uint64) {
	for _, k := range keys {
		b.tell(Heartbeat{From: k, Head: on.ID, Height: height, Rate: 1, Interval: 5 * time.Second})
	}
}

// TestPace has strangers do what they can so that the rounds of an open swarm take long, with
// the times that manifests have by default and with rounds of one step: four of five come
// about as before.
func TestPace(t *testing.T) {
	shapes := map[string]func(*swarm){
		"default times": func(s *swarm) {
			s.change = usualTimes
		},
		"a step a round": func(s *swarm) { s.short = true },
	}
	for shape, form := range shapes {
		heights := func(plague func(*mob)) (rounds uint64, included int) {
			s := newSwarm(5, 3)
			form(s)
			for _, x := range s.nodes {
				if s.short {
					g := Genesis(testGenesis().ID, testGenesis().Root, 1, stepTokens)
					s.commits[g.ID] = g
					x.base, x.head, x.stepTime = g, g.ID, time.Duration(60+15*x.i)*time.Millisecond
				}
				x.start()
			}
			s.run(40 * time.Second)
			b := newMob(s, 16, 0, 3)
			from, in := s.nodes[0].m.head.Height, s.nodes[0].included
			for range 60 {
				if plague != nil {
					plague(b)
				}
				s.run(time.Second)
			}
			for _, f := range s.faults {
				t.Errorf("%s: %s", shape, f)
			}
			return s.nodes[0].m.head.Height - from, s.nodes[0].included - in
		}
		clean, _ := heights(nil)
		for name, plague := range plagues {
			t.Run(fmt.Sprintf("%s, %s", shape, name), func(t *testing.T) {
				rounds, in := heights(plague)
				t.Logf("%d rounds a minute, %d without; %d of its updates in", rounds, clean, in)
				if 10*rounds < 8*clean || uint64(in) < rounds-2 {
					t.Errorf("%d rounds a minute, %d without; %d of its updates in", rounds, clean, in)
				}
			})
		}
	}
}
