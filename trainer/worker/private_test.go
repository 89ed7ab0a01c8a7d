package worker

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/trainer/data"
)

// On private data a child takes every sample once an epoch, over as many rounds as that takes, no more than the epochs
// of a round, and reports no positions that others would have to leave out.
func TestPrivateDataInEpochs(t *testing.T) {
	dir := t.TempDir()
	var text []byte
	for i := range 800 {
		text = append(text, byte('a'+i%26), byte(i%200))
	}
	must(t, os.WriteFile(filepath.Join(dir, "mine.txt"), text, 0o600))
	var seen []int32 // the first token of each sample: its own, but for the few that share one
	steps := make(chan struct{}, 1000)
	s := serve(t, func(tokens []int32, _ float64) {
		for i := 0; i < len(tokens); i += 17 {
			seen = append(seen, tokens[i]<<8|tokens[i+1])
		}
		steps <- struct{}{}
	})
	spec := tiny()
	spec.Data, spec.Folder = DataPrivate, dir
	s.init(spec)
	s.do(opLoad, loadArgs{})
	folder, err := data.Folder(dir)
	must(t, err)
	set, err := data.New(data.Params{Tokens: data.Bytes(folder), SeqLen: spec.Model.SeqLen})
	must(t, err)
	perEpoch := (set.Samples() + spec.Batch - 1) / spec.Batch
	for round := range 3 {
		a := data.Assignment{Rank: -1, CapSamples: 1}
		a.Parent[0] = byte(round)
		s.do(opRun, Run{Assignment: a, Active: 1, Epochs: 1})
		for s.out.Scan() && !strings.Contains(s.out.Text(), `"idle":true`) {
		}
		if got := len(steps); got != (round+1)*perEpoch {
			t.Fatalf("%d steps after %d rounds of one epoch, want %d", got, round+1, (round+1)*perEpoch)
		}
	}
	s.do(opStop, nil)
	must(t, s.wait())
	epoch := slices.Clone(seen[:set.Samples()])
	slices.Sort(epoch)
	if len(slices.Compact(epoch)) < set.Samples()*9/10 {
		t.Errorf("of %d samples an epoch took only %d", set.Samples(), len(slices.Compact(epoch)))
	}
}

func TestPrivateDataThatAreNotThere(t *testing.T) {
	spec := tiny()
	spec.Data = DataPrivate
	if spec.Validate() == nil {
		t.Error("private data without a folder were accepted")
	}
	spec.Folder = t.TempDir()
	if _, _, err := spec.dataset(); err == nil || !strings.Contains(err.Error(), "no text files") {
		t.Errorf("an empty folder: %v", err)
	}
	spec.Data = DataOpticks
	if spec.Validate() == nil {
		t.Error("a folder for data that are not private was accepted")
	}
}

// A bound on steps holds the child until the next assignment.
func TestMostSteps(t *testing.T) {
	count := make(chan struct{}, 100)
	s := serve(t, func([]int32, float64) { count <- struct{}{} })
	s.init(tiny())
	s.do(opLoad, loadArgs{})
	for round := range 3 {
		a := data.Assignment{Rank: 0, Roster: 1}
		a.Parent[0] = byte(round)
		s.do(opRun, Run{Assignment: a, Active: 1, Most: 2})
		for s.out.Scan() && !strings.Contains(s.out.Text(), `"idle":true`) {
		}
		s.do(opRun, Run{Assignment: a, Active: 2, Most: 2}) // told again, it does no more
		if len(count) != 2*(round+1) {
			t.Fatalf("%d steps after %d rounds of two", len(count), round+1)
		}
	}
	if m := s.ask(opCapture, Capture{Gradient: true}); !strings.Contains(m.Error, "gathers no gradients") {
		t.Errorf("asked for gradients, an optimizer that has none says %q", m.Error)
	}
	s.do(opStop, nil)
	must(t, s.wait())
}
