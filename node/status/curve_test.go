package status

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/murmurnet/murmur/node/api"
)

func TestCurveIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curve.json")
	c, err := OpenCurve(path)
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
		if err := c.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	again, err := OpenCurve(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(again.Since(20)); got != fmt.Sprint([]api.Heldout{{Height: 30, Loss: 1.7, By: "c"}, {Height: 40, Loss: 1.5, By: "b"}, {Height: 1 << 63, Loss: 1, By: "d"}}) {
		t.Errorf("kept %s", got)
	}
	if len(again.Since(math.MaxUint64)) != 0 {
		t.Error("there is something above everything")
	}
	if err := os.WriteFile(path, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := OpenCurve(path); err != nil || len(c.Since(0)) != 0 {
		t.Errorf("a damaged curve: %v", err)
	}
}

func TestCurveIsBounded(t *testing.T) {
	c := &Curve{}
	for h := range uint64(3 * maxCurve) {
		c.put(api.Heldout{Height: h + 1, Loss: 1})
	}
	if n := len(c.points); n > maxCurve || n < maxCurve/2 || c.points[n-1].Height != 3*maxCurve || c.points[0].Height != 1 {
		t.Errorf("%d points, from %d to %d", n, c.points[0].Height, c.points[n-1].Height)
	}
}
