package trial

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func report(rows ...Row) Report {
	return Report{
		Params: 1_000_000, Steps: 600, Batch: 8, SeqLen: 128, Heldout: 50_000, Backend: "fake", Tune: 150,
		Rows: rows, Claims: Claims(rows, 1_000_000),
	}
}

func TestTableAndPage(t *testing.T) {
	tuned := rowOf(bitlocoH10, 4, 13_000, 1.45, 1.47)
	tuned.Tried = []Tried{{Rate: 2.8e-3, Loss: 1.9}, {Rate: 4e-3, Loss: 1.8}, {Rate: 5.6e-3, Diverged: true}}
	varied := rowOf("outer-9", 4, 13_000, 1.40, 1.45)
	varied.Like, varied.Title = bitlocoH10, "outer rate 9"
	bad := rowOf("bad", 4, 1000, 3)
	bad.Results[0].Diverged = true
	r := report(rowOf(aloneMuon, 1, 0, 1.55), tuned, varied, bad)
	var terminal, page strings.Builder
	if err := errors.Join(r.Table(&terminal), r.Markdown(&page)); err != nil {
		t.Fatal(err)
	}
	// 13,000 bytes a step are 7.8 MB in all, which go to three others and come from three.
	for _, want := range []string{"1.460 ± 0.010", "13000", "308", "7.8", "46.8", "4e-3", "diverged", "1.550"} {
		if !strings.Contains(terminal.String(), want) || !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing in\n%s\n%s", want, terminal.String(), page.String())
		}
	}
	for _, want := range []string{"2.8e-3: 1.900, **4e-3: 1.800**, 5.6e-3: diverged", TokensPlotFile, BytesPlotFile, "not measured"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing in\n%s", want, page.String())
		}
	}
	if want := "| outer-9 | " + bitlocoH10 + " | outer rate 9 | 1.425 | 2 | 13000 | 0.035 (0.020 to 0.050) |"; !strings.Contains(page.String(), want) {
		t.Errorf("%q is missing in\n%s", want, page.String())
	}
	columns := 0
	for line := range strings.Lines(page.String()) {
		if n := strings.Count(line, "|"); strings.HasPrefix(line, "| ") && n > 8 {
			if columns != 0 && n != columns {
				t.Errorf("%d columns, %d before: %s", n, columns, line)
			}
			columns = n
		}
	}
}

// The plots are well-formed, refer to nothing, and name each line.
func TestPlots(t *testing.T) {
	var many []Row
	for _, l := range Lines() {
		many = append(many, rowOf(l.Name, l.Peers, uint64(len(many))*1000, 1.5+float64(len(many))/100, 1.6))
	}
	many = append(many, rowOf("<a & b>", 4, 1e7, 2), Row{Name: "empty"})
	one := rowOf("one", 4, 5, 2)
	one.Results[0].Points = one.Results[0].Points[1:]
	for name, r := range map[string]Report{"many": report(many...), "one point": report(one), "none": report()} {
		for _, draw := range []func(io.Writer) error{r.TokensPlot, r.BytesPlot} {
			var b strings.Builder
			if err := draw(&b); err != nil {
				t.Fatal(err)
			}
			var texts strings.Builder
			d := xml.NewDecoder(strings.NewReader(b.String()))
			for {
				token, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v in\n%s", name, err, b.String())
				}
				switch x := token.(type) {
				case xml.CharData:
					texts.Write(x)
				case xml.StartElement:
					for _, a := range x.Attr {
						if x.Name.Local == "script" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
							t.Errorf("%s: <%s %s=%q>", name, x.Name.Local, a.Name.Local, a.Value)
						}
					}
				}
			}
			for _, row := range r.Rows {
				if row.Name != "empty" && !strings.Contains(texts.String(), row.label()+"  ") {
					t.Errorf("%s: no %s in the legend", name, row.Name)
				}
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct{ lo, hi float64 }{{1.36, 2.34}, {0, 614_400}, {0, 1}, {5, 5.001}} {
		ts := ticks(test.lo, test.hi)
		if len(ts) < 3 || len(ts) > 8 || ts[0] < test.lo || ts[len(ts)-1] > test.hi {
			t.Errorf("ticks from %g to %g: %v", test.lo, test.hi, ts)
		}
	}
	if ts := logTicks(7e5, 2.1e9); len(ts) != 4 || ts[0] != 1e6 {
		t.Errorf("ticks %v", ts)
	}
	if ts := logTicks(1.5e6, 6e6); len(ts) != 2 || ts[0] != 2e6 || ts[1] != 5e6 {
		t.Errorf("ticks %v", ts)
	}
	for x, want := range map[float64]string{614_400: "614.4k", 2e6: "2M", 50: "50"} {
		if got := count(x); got != want {
			t.Errorf("%g tokens are %q", x, got)
		}
	}
	for x, want := range map[float64]string{5: "5 B", 1e4: "10 kB", 2e6: "2 MB", 1e9: "1 GB"} {
		if got := size(x); got != want {
			t.Errorf("%g bytes are %q", x, got)
		}
	}
}
