package node

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

func TestCurveIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curve.json")
	c, err := openCurve(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []api.Heldout{
		{Height: 20, Loss: 2, By: "a"},
		{Height: 40, Loss: 1.5, By: "b"},
		{Height: 30, Loss: 1.7, By: "c"},
		{Height: 40, Loss: 1, By: "liar"},
		{Height: 50, Loss: math.NaN()},
		{Height: 60, Loss: 0},
		{Height: 70, Loss: 1e9},
		{Height: 1 << 63, Loss: 1, By: "d"},
	} {
		if err := c.add(p); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openCurve(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(again.since(20)); got != fmt.Sprint([]api.Heldout{{Height: 30, Loss: 1.7, By: "c"}, {Height: 40, Loss: 1.5, By: "b"}, {Height: 1 << 63, Loss: 1, By: "d"}}) {
		t.Errorf("kept %s", got)
	}
	if len(again.since(math.MaxUint64)) != 0 {
		t.Error("there is something above everything")
	}
	if err := os.WriteFile(path, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := openCurve(path); err != nil || len(c.since(0)) != 0 {
		t.Errorf("a damaged curve: %v", err)
	}
}

func TestCurveIsBounded(t *testing.T) {
	c := &curve{}
	for h := range uint64(3 * maxCurve) {
		c.put(api.Heldout{Height: h + 1, Loss: 1})
	}
	if n := len(c.points); n > maxCurve || n < maxCurve/2 || c.points[n-1].Height != 3*maxCurve || c.points[0].Height != 1 {
		t.Errorf("%d points, from %d to %d", n, c.points[0].Height, c.points[n-1].Height)
	}
}

func TestTurnsAreShared(t *testing.T) {
	count := map[proto.PeerID]int{}
	for i := range 300 {
		c := round.Commit{ID: proto.Sum([]byte{byte(i), byte(i >> 8)})}
		for _, p := range []proto.PeerID{"a", "b", "c"} {
			c.Roster = append(c.Roster, round.Member{Peer: p})
		}
		count[turn(c)]++
	}
	for p, n := range count {
		if n < 60 || len(count) != 3 {
			t.Errorf("%s had %d of 300 turns", p, n)
		}
	}
	if turn(round.Commit{}) != "" {
		t.Error("somebody's turn without a roster")
	}
}
