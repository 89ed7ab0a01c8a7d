package round

import (
	"slices"
	"testing"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TestEvidenceOfOne: a voter in its turn closes with 64 pairs of 128 updates that it signed itself. Honest closers show one pair of an author; validity has no
// such bound, and the pairs are part of the content, which every node keeps of a snapshot height for 4,096 of these.
func TestEvidenceOfOne(t *testing.T) {
	s, b := withVoters(5, 1, func(s *swarm) {
		s.closed, s.snapshot = true, 20
		s.change = usualTimes
	})
	k, x := b.keys[0], s.nodes[0]
	done, kept := map[proto.ID]bool{}, 0
	for end := s.now + 2*time.Minute; s.now < end && kept == 0; s.run(10 * time.Millisecond) {
		s.done = 0
		h := x.m.head
		if s.now%(500*time.Millisecond) == 0 {
			b.say(b.keys, h.Commit, h.Height)
		}
		us, _ := x.m.candidates(h)
		turns := x.m.closers(us)
		if done[h.ID] || len(turns) == 0 || turns[0] != k || len(s.of(h.Commit)) < 5 || !x.m.round.due {
			continue
		}
		done[h.ID] = true
		list := s.of(h.Commit)
		byAuthor(list)
		var evidence [][2]proto.ID
		var shown []Update
		for range proto.MaxEvidence {
			u, w := b.sign(k, h.Commit), b.sign(k, h.Commit)
			shown = append(shown, u, w)
			pair := [2]proto.ID{u.ID, w.ID}
			if slices.Compare(pair[0][:], pair[1][:]) > 0 {
				pair[0], pair[1] = pair[1], pair[0]
			}
			evidence = append(evidence, pair)
		}
		c := Derive(s.config("mob"), h.Commit, list, evidence, h.Notices)
		c.Root, c.Closer = rootOf(h.Commit, list), k
		c.ID = idOf(c)
		s.commits[c.ID], b.commits[c.ID] = c, c
		for _, n := range s.nodes {
			n.step(Announced{Commit: c.ID, Parent: c.Parent, Height: c.Height, Closer: k})
			n.step(Pulled{Commits: []Commit{c}, Updates: append(slices.Clone(list), shown...)})
		}
		s.run(3 * time.Second)
		if a := x.m.blocks[c.ID]; a != nil && a.leads() && x.m.head.under(a) {
			kept = len(a.Evidence)
		}
	}
	if kept > 1 {
		t.Errorf("a commit shows %d pairs of one author: %d KiB of content at 2 KiB an envelope", kept, kept*2*(proto.MaxEnvelope+100)>>10)
	}
}
