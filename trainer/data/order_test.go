package data

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Every sample stands at one position of each epoch, and within a window at most WindowShards shards are needed.
func TestOrderIsABijectionEachEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Uint64Range(0, 40), 1, 30).Draw(t, "counts")
		var key [32]byte
		key[5] = rapid.Byte().Draw(t, "key")
		o, err := NewOrder(key, counts)
		if err != nil {
			if slices.Max(counts) > 0 {
				t.Fatal(err)
			}
			return
		}
		epoch := rapid.Uint64Range(0, 1<<30).Draw(t, "epoch")
		seen := map[[2]uint64]bool{}
		var shards []int
		end := epoch * o.Samples()
		for i := range o.Samples() {
			p := epoch*o.Samples() + i
			if p == end {
				shards, end = o.Window(p)
				if len(shards) > WindowShards || end <= p || end > (epoch+1)*o.Samples() {
					t.Fatalf("from position %d to %d it needs %d shards", p, end, len(shards))
				}
			}
			if again, same := o.Window(p); same != end || !slices.Equal(again, shards) {
				t.Fatalf("position %d belongs to two windows", p)
			}
			s, n := o.At(p)
			at := [2]uint64{uint64(s), n}
			if n >= counts[s] || seen[at] || !slices.Contains(shards, s) {
				t.Fatalf("position %d has sample %d of shard %d: twice, out of range, or not in the window's %v", p, n, s, shards)
			}
			seen[at] = true
		}
	})
}

func TestOrderOfOneShardIsPermute(t *testing.T) {
	o, err := NewOrder([32]byte{3}, []uint64{1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []uint64{0, 1, 999, 1000, 123_456} {
		if _, n := o.At(p); n != Permute([32]byte{3}, 1000, p) {
			t.Errorf("position %d has sample %d", p, n)
		}
	}
}

// Epochs differ in the order of shards and in that of samples.
func TestEpochsDiffer(t *testing.T) {
	counts := slices.Repeat([]uint64{50}, 20)
	o, err := NewOrder([32]byte{3}, counts)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := o.Window(0)
	b, _ := o.Window(1000)
	if slices.Equal(a, b) {
		t.Error("two epochs begin with the same shards")
	}
	same := 0
	for i := range uint64(1000) {
		s, n := o.At(i)
		if s2, n2 := o.At(1000 + i); s == s2 && n == n2 {
			same++
		}
	}
	if same > 10 {
		t.Errorf("%d of 1000 samples stand where they stood in the epoch before", same)
	}
}

func TestOrderRefusals(t *testing.T) {
	for _, counts := range [][]uint64{nil, {0, 0}, {1 << 63, 1 << 63}} {
		if _, err := NewOrder([32]byte{}, counts); err == nil {
			t.Errorf("%d: accepted", counts)
		}
	}
}

// Up to fifty peers of unequal speed train on shards, and others join: a sample comes up once an epoch, but where two
// newcomers meet in a lane before the next commit spreads them. Whoever knows a parent's roster and cursor can say what a
// peer trained on, from the peer's name and count alone.
func TestManyPeersOnShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Uint64Range(0, 300), 1, 24).Draw(t, "counts")
		counts[0]++
		a := Assignment{Manifest: [32]byte{9}, CapSamples: 24, Cursor: rapid.Uint64Range(0, 1<<40).Draw(t, "cursor")}
		order, err := NewOrder(a.Manifest, counts)
		if err != nil {
			t.Fatal(err)
		}
		roster := rapid.IntRange(1, 50).Draw(t, "members")
		speeds := rapid.SliceOfN(rapid.Uint64Range(0, a.CapSamples), 80, 80).Draw(t, "speeds")
		type place struct{ epoch, shard, sample uint64 }
		seen := map[place]bool{} // true: by a newcomer of this round
		for round := range rapid.IntRange(1, 5).Draw(t, "rounds") {
			for p := range seen {
				seen[p] = false
			}
			joining := rapid.IntRange(0, 5).Draw(t, "joining")
			a.Parent[0], a.Roster = byte(round), roster
			next := a.Cursor
			for i := range roster + joining {
				a.Rank, a.Peer = i, ""
				if i >= roster {
					a.Rank, a.Peer = -1, string(rune('a'+i))
				}
				l, again := NewLane(a), NewLane(a)
				for range speeds[i] {
					p := l.Next()
					shard, sample := order.At(p)
					if s, n := order.At(again.Next()); s != shard || n != sample {
						t.Fatalf("the batch of peer %d cannot be found again", i)
					}
					at := place{p / order.Samples(), uint64(shard), sample}
					if newcomer, twice := seen[at]; twice && (!newcomer || a.Rank >= 0) {
						t.Fatalf("round %d, peer %d of %d and %d: sample %d of shard %d twice in an epoch", round, i, roster, joining, sample, shard)
					}
					seen[at] = a.Rank < 0
				}
				next = max(next, l.High())
			}
			a.Cursor, roster = next, min(roster+joining, 50)
		}
	})
}

// The devices of a peer take its lane's positions, each one of them once.
func TestPartsOfALane(t *testing.T) {
	for _, rank := range []int{1, -1} {
		a := Assignment{Manifest: [32]byte{1}, Cursor: 70, Rank: rank, Roster: 3, Peer: "a", CapSamples: 90}
		l, want := NewLane(a), map[uint64]bool{}
		for range 30 {
			want[l.Next()] = true
		}
		for a.Part, a.Parts = 0, 3; a.Part < 3; a.Part++ {
			l := NewLane(a)
			for range 10 {
				p := l.Next()
				if !want[p] {
					t.Fatalf("rank %d: position %d is not the peer's, or taken twice", rank, p)
				}
				delete(want, p)
			}
		}
		if len(want) > 0 {
			t.Errorf("rank %d: nobody took %v", rank, want)
		}
	}
}
