package round

import (
	"testing"

	"github.com/murmurnet/murmur/proto"
)

func TestMeasurersTakeTurns(t *testing.T) {
	count := map[proto.PeerID]int{}
	for i := range 300 {
		c := Commit{ID: proto.Sum([]byte{byte(i), byte(i >> 8)})}
		for _, p := range []proto.PeerID{"a", "b", "c"} {
			c.Roster = append(c.Roster, Member{Peer: p})
		}
		count[Measurer(c)]++
	}
	for p, n := range count {
		if n < 60 || len(count) != 3 {
			t.Errorf("%s had %d of 300 turns", p, n)
		}
	}
	if Measurer(Commit{}) != "" {
		t.Error("somebody's turn without a roster")
	}
}
