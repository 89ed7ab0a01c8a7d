package data

import (
	"encoding/hex"
	"slices"
	"testing"

	"lukechampine.com/blake3"
	"pgregory.net/rapid"
)

func TestOpticksIsTheKnownText(t *testing.T) {
	sum := blake3.Sum256(Opticks())
	const want = "7f38d2ce2a329314515e97cd0ce04066ec2812d899e3a84c85d500aaf5fbd549"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Fatalf("BLAKE3 of the embedded text is %s, want %s: were line endings converted?", got, want)
	}
}

func TestDatasetCutsAndCovers(t *testing.T) {
	text := Opticks()
	d, err := New(Params{Tokens: Bytes(text), SeqLen: 128})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Train)+len(d.Heldout) != len(text) || len(d.Heldout) != len(text)/10 {
		t.Fatalf("cut into %d and %d of %d", len(d.Train), len(d.Heldout), len(text))
	}
	var predicted []int32
	dst := make([]int32, 129)
	for i := range d.Samples() {
		d.Sample(i, dst)
		predicted = append(predicted, dst[1:]...)
	}
	if !slices.Equal(predicted, d.Train[1:1+len(predicted)]) {
		t.Fatal("samples in order do not spell the text")
	}
	if tail := len(d.Train) - 1 - len(predicted); tail < 0 || tail >= 128 {
		t.Fatalf("%d tokens are never predicted", tail)
	}
}

func TestDatasetRefusals(t *testing.T) {
	for _, p := range []Params{
		{Tokens: make([]int32, 1000), SeqLen: 0},
		{Tokens: make([]int32, 1000), SeqLen: -1},
		{Tokens: make([]int32, 1000), SeqLen: 100},
		{SeqLen: 1},
	} {
		if _, err := New(p); err == nil {
			t.Errorf("%d tokens, sequence %d: accepted", len(p.Tokens), p.SeqLen)
		}
	}
	if d, err := New(Params{Tokens: make([]int32, 1000), SeqLen: 99}); err != nil || d.Samples() != 9 {
		t.Errorf("1000 tokens, sequence 99: %v, %v", d, err)
	}
}

func TestPermuteIsABijectionEachEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 3000).Draw(t, "n")
		epoch := rapid.Uint64Range(0, 1<<40).Draw(t, "epoch")
		var key [32]byte
		copy(key[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		seen := make([]bool, n)
		for i := range n {
			s := Permute(key, n, epoch*n+i)
			if s >= n || seen[s] {
				t.Fatalf("position %d of %d: sample %d twice or out of range", i, n, s)
			}
			seen[s] = true
		}
	})
}

// The order must look random: over 400 epochs of 1000 samples the mean number of fixed points is 1 ± 1/√400, and so is
// that of neighbours that stay neighbours.
func TestPermuteLooksRandom(t *testing.T) {
	const n, epochs = 1000, 400
	fixed, neighbours := 0, 0
	for e := range uint64(epochs) {
		last := uint64(n)
		for i := range uint64(n) {
			s := Permute([32]byte{1}, n, e*n+i)
			if s == i {
				fixed++
			}
			if s == last+1 {
				neighbours++
			}
			last = s
		}
	}
	for name, count := range map[string]int{"fixed points": fixed, "kept neighbours": neighbours} {
		if count < epochs*3/4 || count > epochs*5/4 {
			t.Errorf("%d %s in %d epochs, want about %d", count, name, epochs, epochs)
		}
	}
}

func TestPermuteIsTheSameEverywhere(t *testing.T) {
	var got []uint64
	for p := range uint64(6) {
		got = append(got, Permute([32]byte{7}, 3988, 3986+p))
	}
	got = append(got, Permute([32]byte{7}, 1<<63+11, 5))
	want := []uint64{2262, 1668, 2836, 2232, 3384, 1049, 4474583989375812604}
	if !slices.Equal(got, want) {
		t.Fatalf("got %d, want %d", got, want)
	}
}

func draw(t *rapid.T) Assignment {
	a := Assignment{
		Cursor:     rapid.Uint64Range(0, 1<<50).Draw(t, "cursor"),
		Roster:     rapid.IntRange(0, 12).Draw(t, "roster"),
		CapSamples: rapid.Uint64Range(1, 40).Draw(t, "cap"),
	}
	a.Manifest[0] = rapid.Byte().Draw(t, "manifest")
	a.Parent[0] = rapid.Byte().Draw(t, "parent")
	return a
}

func TestLanesAreDisjoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t)
		taken := map[uint64]int{}
		var top uint64
		for a.Rank = 0; a.Rank < a.Roster; a.Rank++ {
			l := NewLane(a)
			for range rapid.Uint64Range(0, a.CapSamples).Draw(t, "taken") {
				p := l.Next()
				if other, twice := taken[p]; twice {
					t.Fatalf("members %d and %d both take position %d", other, a.Rank, p)
				}
				taken[p] = a.Rank
				if p < a.Cursor || l.High() != p+1 {
					t.Fatalf("position %d: cursor %d, high %d", p, a.Cursor, l.High())
				}
			}
			top = max(top, l.High())
		}
		a.Rank, a.Peer = -1, rapid.String().Draw(t, "peer")
		l := NewLane(a)
		if l.High() != a.Cursor {
			t.Fatalf("an untouched lane's high is %d, want the cursor %d", l.High(), a.Cursor)
		}
		first := l.Next()
		if first < top {
			t.Fatalf("newcomer starts at %d, members reached %d", first, top)
		}
		for range 20 {
			if p := l.Next(); p%NewcomerLanes != first%NewcomerLanes || p < first {
				t.Fatalf("newcomer's lane from %d holds %d", first, p)
			}
		}
	})
}

// Rounds follow each other, members come in and drop out, one newcomer at a time joins: no sample twice in an epoch.
func TestAtMostOnceAnEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t)
		n := rapid.Uint64Range(1, 500).Draw(t, "n")
		seen := map[[2]uint64]bool{}
		for round := range rapid.IntRange(1, 8).Draw(t, "rounds") {
			a.Parent[1] = byte(round)
			next := a.Cursor
			for a.Rank = -1; a.Rank < a.Roster; a.Rank++ {
				a.Peer = "newcomer"
				l := NewLane(a)
				for range rapid.Uint64Range(0, a.CapSamples).Draw(t, "taken") {
					p := l.Next()
					at := [2]uint64{p / n, Permute(a.Manifest, n, p)}
					if seen[at] {
						t.Fatalf("round %d, member %d: sample %d twice in epoch %d", round, a.Rank, at[1], at[0])
					}
					seen[at] = true
				}
				next = max(next, l.High())
			}
			a.Cursor = next
			a.Roster = rapid.IntRange(0, 12).Draw(t, "roster")
		}
	})
}

func TestNewcomersSpread(t *testing.T) {
	lanes := map[uint64]int{}
	for i := range 400 {
		l := NewLane(Assignment{Rank: -1, Peer: string(rune('a' + i))})
		lanes[l.Next()]++
	}
	if len(lanes) != NewcomerLanes {
		t.Fatalf("400 newcomers use lanes %v", lanes)
	}
	moved := 0
	for i := range byte(20) {
		l := NewLane(Assignment{Rank: -1, Peer: "a", Parent: [32]byte{i}})
		if m := NewLane(Assignment{Rank: -1, Peer: "b", Parent: [32]byte{i}}); l.Next() != m.Next() {
			moved++
		}
	}
	if moved < 10 {
		t.Errorf("two newcomers share a lane after %d of 20 parents", 20-moved)
	}
}
