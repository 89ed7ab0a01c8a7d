package tui

import (
	"math"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
)

func TestPlot(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []api.Heldout
		want   string
	}{
		{"none", nil, ""},
		{"not a number", []api.Heldout{{Height: 1, Loss: math.NaN()}, {Height: 2, Loss: math.Inf(1)}}, ""},
		{"one", []api.Heldout{{Height: 20, Loss: 1.93}}, `
    ┤
    ┤
1.93┤⡀
    └round 20`},
		{"falling", []api.Heldout{{Height: 0, Loss: 5}, {Height: 10, Loss: 3}}, `
5.00┤⠉⠑⠒⠤⣀⡀
    ┤     ⠈⠉⠒⠤⢄⣀
3.00┤           ⠉⠒⠢⢄
    └round 0      10`},
		{"uneven", []api.Heldout{{Height: 0, Loss: 2}, {Height: 18, Loss: 2}, {Height: 20, Loss: 10}, {Height: 21, Loss: math.NaN()}}, `
10.00┤             ⡎
     ┤            ⢸
 2.00┤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡇
     └round 0     20`},
	} {
		var got strings.Builder
		for _, l := range plot(c.points, 20, 4) {
			got.WriteString("\n" + l.draw(20, false))
		}
		if trimmed(got.String()) != c.want {
			t.Errorf("%s:%s\nwant:%s", c.name, trimmed(got.String()), c.want)
		}
	}
}
