package lab

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/model"
)

// The models have about as many parameters as their names say.
func TestModels(t *testing.T) {
	for name, want := range map[string]int{"25M": 25_174_528, "2.4M": 2_404_416, "tiny": 37_024} {
		m, err := benchManifest(name, "bitloco")
		if err != nil {
			t.Fatal(err)
		}
		o := m.Model
		got := model.Config{
			Vocab: int(o.Vocab), Dim: int(o.Dim), Layers: int(o.Layers), Heads: int(o.Heads), KVHeads: int(o.KVHeads),
			HeadDim: int(o.HeadDim), FFN: int(o.FFN), SeqLen: int(o.SeqLen),
		}.Layout().Params()
		if got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
	}
	for _, c := range [][2]string{{"26M", "bitloco"}, {"25M", "carrier pigeon"}} {
		if _, err := benchManifest(c[0], c[1]); err == nil {
			t.Errorf("a bench of %v begins", c)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		xs   []float64
		want Spread
	}{
		{nil, Spread{}},
		{[]float64{2}, Spread{2, 2}},
		{[]float64{5, 1, 3}, Spread{3, 5}},
		{[]float64{4, 1, 2, 3}, Spread{2.5, 4}},
		{[]float64{0.0004, 0.0006}, Spread{0.001, 0.001}},
	} {
		if got := spreadOf(c.xs); got != c.want {
			t.Errorf("%v: %v, want %v", c.xs, got, c.want)
		}
	}
}

// story is a swarm of four that told of some rounds, each a second after the one before; a fault came at 10.5 s, when
// round 2 had been due for half a second.
func story(edit func(told)) (*killer, told, time.Time) {
	s := &swarm{}
	epoch := time.Unix(1000, 0)
	at := func(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }
	for _, name := range []string{"A", "B", "C", "D"} {
		s.nodes = append(s.nodes, &daemon{name: name, peer: proto.PeerID(name)})
	}
	t := told{}
	for _, d := range s.nodes {
		for h := uint64(1); h <= 4; h++ {
			begin := 6 + 2*float64(h)
			o := api.Outcome{Height: h, Root: proto.ID{byte(h)}, Closer: "B", Stages: api.Stages{
				Due: at(begin), Published: at(begin + 0.4), Known: at(begin + 0.6), Adopted: at(begin + 0.9), Applied: at(begin + 1),
			}}
			for _, d := range s.nodes {
				o.Included = append(o.Included, d.peer)
			}
			t[d] = append(t[d], o)
		}
		d.state.Head.Height = 4
	}
	if edit != nil {
		edit(t)
	}
	return &killer{swarm: s}, t, at(10.5)
}

// change edits what one node says of one round.
func change(t told, name string, height uint64, edit func(*api.Outcome)) {
	for d, os := range t {
		for i := range os {
			if d.name == name && os[i].Height == height {
				edit(&os[i])
			}
		}
	}
}

func TestJudge(t *testing.T) {
	without := func(peers ...proto.PeerID) func(*api.Outcome) {
		return func(o *api.Outcome) {
			o.Included = slices.DeleteFunc(o.Included, func(p proto.PeerID) bool { return slices.Contains(peers, p) })
		}
	}
	for name, c := range map[string]struct {
		edit func(told)
		want KillRun
	}{
		"all is well": {nil, KillRun{
			Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 0.5, Gap: 2,
		}},
		"a survivor applies it late": {func(t told) {
			change(t, "C", 2, func(o *api.Outcome) { o.Stages.Applied = o.Stages.Applied.Add(3 * time.Second) })
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 3.5, Gap: 5}},
		"a survivor enters it with the next": {func(t told) {
			for d := range t {
				if d.name == "C" {
					t[d] = slices.DeleteFunc(t[d], func(o api.Outcome) bool { return o.Height == 2 })
				}
			}
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 2.5, Gap: 4}},
		"a survivor leaves a commit for another": {func(t told) {
			for d, os := range t {
				if d.name == "D" {
					first := os[1]
					first.Root[0], first.Stages.Adopted = 99, first.Stages.Adopted.Add(-time.Second)
					t[d] = slices.Insert(os, 1, first)
				}
			}
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 0.5, Gap: 2, Forks: 1}},
		"the victim does": {func(t told) {
			change(t, "A", 2, func(o *api.Outcome) { o.Root[0] = 99 })
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 0.5, Gap: 2}},
		"nobody noticed that it was due": {func(t told) {
			for d := range t {
				change(t, d.name, 2, func(o *api.Outcome) { o.Stages.Due = time.Time{} })
			}
		}, KillRun{Height: 2, Closer: "B", Moment: -0.4, Stage: stageCollecting, Next: 0.5, Gap: 2}},
		"a survivor is left out once": {func(t told) {
			change(t, "B", 2, without("C"))
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 0.5, Gap: 2, Without: 1}},
		"a survivor is lost": {func(t told) {
			for h := uint64(2); h <= 4; h++ {
				change(t, "B", h, without("C", "A"))
			}
		}, KillRun{
			Height: 2, Closer: "B", Moment: 0.5, Stage: stageCollecting, Next: 0.5, Gap: 2, Without: 3, Lost: 1,
		}},
		"the round was over": {func(t told) {
			for d := range t {
				change(t, d.name, 2, func(o *api.Outcome) { o.Stages.Applied = o.Stages.Applied.Add(-600 * time.Millisecond) })
			}
		}, KillRun{Height: 3, Closer: "B", Moment: -1.5, Stage: stageOver, Next: 2.5, Gap: 2.6}},
		"it strikes before all have published": {func(t told) {
			change(t, "C", 2, func(o *api.Outcome) { o.Stages.Published = o.Stages.Published.Add(time.Second) })
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stagePublishing, Next: 0.5, Gap: 2}},
		"it strikes when one has the commit": {func(t told) {
			change(t, "D", 2, func(o *api.Outcome) { o.Stages.Known = o.Stages.Known.Add(-200 * time.Millisecond) })
		}, KillRun{Height: 2, Closer: "B", Moment: 0.5, Stage: stageApplying, Next: 0.5, Gap: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			k, told, fault := story(c.edit)
			var got KillRun
			k.judge(&got, told, 1, fault, k.swarm.nodes[1:])
			if got.Victims = nil; !equalRuns(got, c.want) {
				t.Errorf("judged\n%+v, want\n%+v", got, c.want)
			}
		})
	}
}

func equalRuns(a, b KillRun) bool {
	if len(a.Victims) != len(b.Victims) {
		return false
	}
	a.Victims, b.Victims = nil, nil
	return a.Kind == b.Kind && a.Height == b.Height && a.Closer == b.Closer && a.View == b.View && a.Moment == b.Moment &&
		a.Stage == b.Stage && a.Next == b.Next && a.Gap == b.Gap && a.Without == b.Without && a.Forks == b.Forks && a.Lost == b.Lost
}

// A report holds only if no run of any kind went wrong.
func TestReport(t *testing.T) {
	good := KillRun{Identical: true, Next: 3.5, Level: 2, Stage: stageApplying, Forks: 1}
	differ, lost := KillRun{Next: 1, Stage: stageOver}, KillRun{Identical: true, Lost: 2}
	sum := sumUp("kill", []KillRun{good, good, differ})
	if sum.Runs != 3 || sum.Identical != 2 || sum.Next != (Spread{3.5, 3.5}) || sum.BeyondGrace != 0.5 || sum.Forks != 2 || sum.Stages[stageApplying] != 2 {
		t.Errorf("summed up to %+v", sum)
	}
	for what, c := range map[string]struct {
		runs []KillRun
		want bool
	}{
		"good": {[]KillRun{good, good}, true}, "none": {nil, false}, "differ": {[]KillRun{good, differ}, false}, "lost": {[]KillRun{lost, good}, false},
	} {
		if (KillReport{Runs: c.runs}).Holds() != c.want {
			t.Errorf("%s: holds is %v", what, !c.want)
		}
	}
	var out strings.Builder
	if err := (KillReport{Nodes: 4, Kinds: []KillKind{sum}}).Table(&out); err != nil || !regexp.MustCompile(`(?m)^kill +3 +2 `).MatchString(out.String()) {
		t.Errorf("%v, table:\n%s", err, out.String())
	}
	out.Reset()
	bitloco := RoundResult{RoundCase: RoundCase{Method: "bitloco"}}
	if err := (RoundReport{Cases: []RoundResult{bitloco, bitloco}}).Table(&out); err != nil || strings.Count(out.String(), "bitloco") != 4 {
		t.Errorf("%v, table:\n%s", err, out.String())
	}
}

// Victims follow from the seed, are two where two are asked for, and the closer where the closer is.
func TestVictims(t *testing.T) {
	draw := func(seed uint64, kind string, n int) (names []string) {
		k, _, _ := story(nil)
		k.draw = rand.New(rand.NewPCG(seed, 0))
		for h := range n {
			var group string
			for _, v := range k.victims(kind, uint64(h)) {
				group += v.name
			}
			names = append(names, group)
		}
		return names
	}
	for _, kind := range KillKinds() {
		a, b := draw(1, kind, 40), draw(1, kind, 40)
		if !slices.Equal(a, b) {
			t.Errorf("%s: seed 1 draws %v and %v", kind, a, b)
		}
		want := 1
		if strings.HasSuffix(kind, "two") {
			want = 2
		}
		seen := map[byte]bool{}
		for h, names := range a {
			if len(names) != want || want == 2 && names[0] == names[1] {
				t.Errorf("%s: victims %s", kind, names)
			}
			seen[names[0]] = true
			k, _, _ := story(nil)
			if closer := k.swarm.turn(uint64(h)).name; strings.HasSuffix(kind, "closer") && names != closer {
				t.Errorf("%s: victim %s at height %d, the closer is %s", kind, names, h, closer)
			}
		}
		if len(seen) != killNodes {
			t.Errorf("%s: only %d of %d nodes are ever hit", kind, len(seen), killNodes)
		}
	}
}

func TestParams(t *testing.T) {
	kill := KillParams{Exe: "murmur", Model: "tiny", Kinds: KillKinds(), Runs: 1, Out: &strings.Builder{}}
	rounds := RoundParams{Exe: "murmur", Cases: RoundCases("fedavg"), Rounds: 1, Out: &strings.Builder{}}
	if err := kill.Validate(); err != nil {
		t.Error(err)
	}
	if err := rounds.Validate(); err != nil {
		t.Error(err)
	}
	for _, edit := range []func(*KillParams){
		func(p *KillParams) { p.Kinds = []string{"kiss"} }, func(p *KillParams) { p.Kinds = nil }, func(p *KillParams) { p.Runs = 0 },
		func(p *KillParams) { p.Model = "1B" }, func(p *KillParams) { p.Exe = "" },
	} {
		p := kill
		if edit(&p); p.Validate() == nil {
			t.Errorf("a kill bench begins with %+v", p)
		}
	}
	for _, edit := range []func(*RoundParams){
		func(p *RoundParams) { p.Cases = nil }, func(p *RoundParams) { p.Rounds = 201 },
		func(p *RoundParams) { p.Cases = []RoundCase{{1, "tiny", "bitloco"}} },
		func(p *RoundParams) { p.Cases = []RoundCase{{4, "tiny", "smoke signals"}} },
	} {
		p := rounds
		if edit(&p); p.Validate() == nil {
			t.Errorf("a round bench begins with %+v", p)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a line,\nits \x1b[31mcolour\x00\xff é\r"); got != "a line,\nits �[31mcolour�� é�" {
		t.Errorf("a terminal would be sent %q", got)
	}
}
