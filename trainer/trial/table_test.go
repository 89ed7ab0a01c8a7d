package trial

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/outer"
)

func TestLinesAreWhole(t *testing.T) {
	seen, methods := map[string]bool{}, map[string]bool{}
	for _, l := range Lines() {
		if seen[l.Name] || strings.ContainsAny(l.Name, ", ") {
			t.Errorf("line %q: names are told apart, and separated by commas", l.Name)
		}
		seen[l.Name] = true
	}
	for _, name := range []string{aloneMuon, allReduceAdamW, allReduceMuon, bitlocoH10, bitlocoH20, bitlocoH32, bitlocoInBuffer} {
		if !seen[name] {
			t.Errorf("a claim is about %s, which is no line", name)
		}
	}
	p := params(Lines())
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	quick, err := Select(QuickNames())
	if err != nil || len(quick) != len(QuickNames()) {
		t.Fatalf("%d quick lines, error %v", len(quick), err)
	}
	for _, l := range quick {
		if l.Method != nil {
			methods[l.Method.Name] = true
		}
	}
	if len(methods) != len(outer.Names()) {
		t.Errorf("the quick lines have the methods %v, there are %v", methods, outer.Names())
	}
	if _, err := Select([]string{"smoke"}); err == nil || !strings.Contains(err.Error(), `"smoke"`) || !strings.Contains(err.Error(), bitlocoH32) {
		t.Errorf("an unknown line: %v", err)
	}
}

func params(lines []Line) TableParams {
	return TableParams{Lines: lines, Steps: 600, Batch: 8, Heldout: 1000, Seeds: 3, Tune: 150}
}

// pretend gives a loss that is best at a learning rate, and counts what is run.
func pretend(best float64, runs *int) func(context.Context, Cell) (Result, error) {
	return func(_ context.Context, c Cell) (Result, error) {
		*runs++
		loss := 1 + math.Abs(math.Log(c.Rate/best)) + float64(c.Seed)/1000
		return Result{
			Cell: c, Sent: uint64(c.Steps) * 10, Seconds: 1, Diverged: c.Rate > 10*best,
			Points: []Point{{Steps: c.Steps / 2, Loss: loss + 1, Sent: 5}, {Steps: c.Steps, Loss: loss, Sent: 10}},
		}, nil
	}
}

func TestTuneFindsTheBest(t *testing.T) {
	lines, err := Select([]string{"diloco"})
	if err != nil {
		t.Fatal(err)
	}
	for _, best := range []float64{rates[0], 5e-4, 2e-3, 4e-3, rates[len(rates)-1], 1e-6, 1} {
		store, err := OpenStore("")
		if err != nil {
			t.Fatal(err)
		}
		var runs int
		rows, err := Make(t.Context(), params(lines), store, pretend(best, &runs))
		if err != nil {
			t.Fatal(err)
		}
		want := min(max(best, rates[0]), rates[len(rates)-1])
		if rows[0].Rate != want || runs != len(rows[0].Tried)+1 || len(rows[0].Tried) < 3 && want != rates[0] && want != rates[len(rates)-1] {
			t.Errorf("best at %g: took %g after %d runs, tried %v", best, rows[0].Rate, runs, rows[0].Tried)
		}
	}
}

// A table that was stopped goes on where it was, though the stop cut a line off, and is the same in the end.
func TestTableResumes(t *testing.T) {
	lines, err := Select([]string{aloneMuon, bitlocoH10, allReduceMuon})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), CellsFile)
	make := func(path string, most int) (rows []Row, runs int, err error) {
		store, err := OpenStore(path)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		inner := pretend(4e-3, &runs)
		rows, err = Make(t.Context(), params(lines), store, func(ctx context.Context, c Cell) (Result, error) {
			if runs == most {
				return Result{}, errors.New("stopped")
			}
			return inner(ctx, c)
		})
		return rows, runs, err
	}
	whole, all, err := make("", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := make(path, 5); err == nil {
		t.Fatal("it was not stopped")
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"cell":{"line":"alo`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	rows, runs, err := make(path, -1)
	if err != nil || runs != all-5 || !reflect.DeepEqual(rows, whole) {
		t.Errorf("after a stop: %v, %d runs of %d, rows\n%+v, want\n%+v", err, runs, all, rows, whole)
	}
	if rows, runs, err = make(path, -1); err != nil || runs != 0 || !reflect.DeepEqual(rows, whole) {
		t.Errorf("of a whole file: %v, %d runs", err, runs)
	}
	if err := os.WriteFile(path, []byte("no cell\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(path); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a file of something else: %v", err)
	}
}

// rowOf has a loss for each seed and sends so many bytes a step.
func rowOf(name string, peers int, perStep uint64, losses ...float64) Row {
	r := Row{Name: name, Title: "a & b <c>", Optimizer: "muon", H: 10, Peers: peers, Rate: 4e-3}
	for _, l := range losses {
		r.Results = append(r.Results, Result{Sent: 600 * perStep, Seconds: 60, Points: []Point{
			{Steps: 300, Tokens: 307_200, Sent: 300 * perStep, Loss: l + .2}, {Steps: 600, Tokens: 614_400, Sent: 600 * perStep, Loss: l},
		}})
	}
	return r
}

// A variation takes the learning rate of the line that it varies, and is searched for none of its own.
func TestVariations(t *testing.T) {
	lines, err := Select([]string{"outer-1.5"})
	if err != nil {
		t.Fatal(err)
	}
	store, err := OpenStore("")
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]int{}
	var n int
	run := pretend(8e-3, &n)
	rows, err := Make(t.Context(), params(lines), store, func(ctx context.Context, c Cell) (Result, error) {
		runs[c.Line]++
		return run(ctx, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := rows[0]; r.Rate != 8e-3 || r.Like != bitlocoH32 || len(r.Tried) != 0 || runs["outer-1.5"] != 3 || runs[bitlocoH32] < 3 {
		t.Errorf("rate %g like %s after %v runs, tried %v", r.Rate, r.Like, runs, r.Tried)
	}
	for _, l := range frontier() {
		if l.tuned().Name != l.Like || l.tuned().Like != "" || l.Rate != l.tuned().Rate {
			t.Errorf("line %s varies %s", l.Name, l.Like)
		}
	}
}

func TestClaims(t *testing.T) {
	const params = 1_000_000 // a dense gradient has 4 MB
	good := func() []Row {
		return []Row{
			rowOf(aloneMuon, 1, 0, 1.55, 1.53), rowOf(allReduceAdamW, 4, 4_000_016, 1.55), rowOf(allReduceMuon, 4, 4_000_016, 1.44, 1.44),
			rowOf(bitlocoH10, 4, 13_000, 1.45, 1.45), rowOf(bitlocoH20, 4, 6_500, 1.46, 1.47), rowOf(bitlocoH32, 4, 3_200, 1.55),
			rowOf(bitlocoInBuffer, 4, 6_500, 1.54, 1.56),
		}
	}
	for _, test := range []struct {
		name   string
		change func(rows []Row) []Row
		want   [3]string
	}{
		{"as hoped", func(r []Row) []Row { return r }, [3]string{Yes, Yes, Yes}},
		{"nothing", func([]Row) []Row { return nil }, [3]string{NotMeasured, NotMeasured, NotMeasured}},
		{"worse", func(r []Row) []Row { r[5] = rowOf(bitlocoH32, 4, 3_200, 1.56); return r }, [3]string{No, Yes, Yes}},
		{"more bytes", func(r []Row) []Row {
			r[5], r[3] = rowOf(bitlocoH32, 4, 4_100, 1.5), rowOf(bitlocoH10, 4, 14_000, 1.44)
			return r
		}, [3]string{No, No, Yes}},
		{"less gain", func(r []Row) []Row { r[3] = rowOf(bitlocoH10, 4, 13_000, 1.47); return r }, [3]string{Yes, No, Yes}},
		{"no gain", func(r []Row) []Row { r[0] = rowOf(aloneMuon, 1, 0, 1.4); return r }, [3]string{Yes, No, Yes}},
		{"one seed otherwise", func(r []Row) []Row { r[6] = rowOf(bitlocoInBuffer, 4, 6_500, 1.6, 1.46); return r }, [3]string{Yes, Yes, No}},
		{"diverged", func(r []Row) []Row { r[3].Results[0].Diverged = true; return r }, [3]string{Yes, No, Yes}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i, c := range Claims(test.change(good()), params) {
				if c.Holds != test.want[i] {
					t.Errorf("%s: %s (%s), want %s", c.Text, c.Holds, c.Figures, test.want[i])
				}
			}
		})
	}
	c := Claims(good(), params)
	for i, want := range []string{"1.550 against 1.550 at 1250x", "90 % at 308x", "0.085 nats, 0.080 to 0.090 over seeds (2)"} {
		if !strings.Contains(c[i].Figures, want) {
			t.Errorf("%q does not say %q", c[i].Figures, want)
		}
	}
}
