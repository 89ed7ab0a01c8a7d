package round

import (
	"slices"

	"github.com/murmurnet/murmur/proto"
)

// Measurer is the member of a commit's roster that measures its state, by a hash that nobody can choose.
func Measurer(c Commit) (who proto.PeerID) {
	var least proto.ID
	for _, m := range c.Roster {
		draw := proto.Sum(slices.Concat(c.ID[:], []byte("heldout"), []byte(m.Peer)))
		if who == "" || slices.Compare(draw[:], least[:]) < 0 {
			who, least = m.Peer, draw
		}
	}
	return who
}
