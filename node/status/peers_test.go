package status

import (
	"fmt"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// TestTally plays rounds: who is in, whose update came before the round's end and is not in,
// whose came after it, and who sent none.
func TestTally(t *testing.T) {
	const self, other, slow, gone = proto.PeerID("self"), proto.PeerID("other"), proto.PeerID("slow"), proto.PeerID("gone")
	w := Board{v: Snapshot{self: self, gradient: 4}}
	update := func(p proto.PeerID, height, tokens uint64) round.Update {
		return round.Update{Author: p, Height: height, Tokens: tokens, Size: 10}
	}
	now := time.Now()
	end := func(height uint64, missing ...proto.PeerID) {
		w.Adopted(round.Adopt{
			To:       round.Commit{Height: height},
			Included: []round.Update{update(self, height, 100), update(other, height, 50)}, Missing: missing,
		}, false, now)
	}
	end(1, slow, gone)
	w.Noted(round.Seen{Update: update(slow, 1, 7)}, now) // after the end
	w.Noted(round.Seen{Update: update(slow, 2, 7)}, now) // before it
	end(2, slow, gone)
	end(3)
	w.Noted(round.Seen{Update: update(slow, 1, 7)}, now) // once more
	w.set(func(v *Snapshot) {
		for p, want := range map[proto.PeerID]string{self: "+++", other: "+++", slow: "~~.", gone: "--."} {
			if got := v.of(p).share.Recent; got != want {
				t.Errorf("%s: %q, want %q", p, got, want)
			}
		}
		if s := v.of(other).share; s.Updates != 3 || s.Tokens != 150 {
			t.Errorf("%+v", s)
		}
		for i, late := range []int{1, 1, 0} {
			if got := v.rounds[i]; len(got.Late) != late || late > 0 && got.Late[0] != slow {
				t.Errorf("round %d: late %v", got.Height, got.Late)
			}
		}
		if v.counts.Late != 2 || v.counts.Missing != 4 {
			t.Errorf("%+v", v.counts)
		}
		// Of two in a ring each receives one gradient a step; 300 tokens of 4 bytes.
		if v.necessary != 30 || v.allReduce != 1200 {
			t.Errorf("necessary %d, all-reduce %g", v.necessary, v.allReduce)
		}
	})
}

// TestCrowd has more strangers speak than are remembered: this node and those that rounds took
// in stay.
func TestCrowd(t *testing.T) {
	w := Board{}
	w.set(func(v *Snapshot) {
		v.self = "self"
		v.of("self")
		v.of("silent").share = api.Share{Updates: 1}
	})
	for i := range 2 * maxStandings {
		w.Heard(proto.PeerID(fmt.Sprint("stranger ", i)), &murmurv1.Heartbeat{}, time.Now())
	}
	w.set(func(v *Snapshot) {
		if len(v.standings) > maxStandings || v.standings["self"] == nil || v.standings["silent"] == nil {
			t.Errorf("%d are remembered; self %v, silent %v", len(v.standings), v.standings["self"], v.standings["silent"])
		}
	})
}
