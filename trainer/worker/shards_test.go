package worker

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/shard"
)

// shards is a spec with a data set of three shards of 10 samples each, of which the last tokens tell the shard.
func shards(t *testing.T) (Spec, shard.Set) {
	t.Helper()
	spec, dir := tiny(), t.TempDir()
	set := shard.Set{Name: shard.SetName, Vocab: 256}
	write := func(n, fill int) shard.Entry {
		tokens := make([]int32, n)
		for i := range tokens {
			tokens[i] = int32(fill)
		}
		e, err := shard.Write(dir, 256, tokens)
		must(t, err)
		must(t, os.Rename(filepath.Join(dir, shard.FileName(e.ID)), filepath.Join(dir, e.ID.String())))
		return e
	}
	set.Heldout = write(40, 9)
	for i := range 3 {
		set.Shards = append(set.Shards, write(161, i))
	}
	list := filepath.Join(dir, shard.SetFile)
	must(t, shard.WriteSet(list, set))
	spec.Data, spec.Folder, spec.Set, spec.Heldout = DataShards, dir, list, 30
	return spec, set
}

// A child stops where data end, goes on when there are more, and names the shard that it cannot read.
func TestShardsComeInTime(t *testing.T) {
	var count atomic.Int64
	s := serve(t, func([]int32, float64) { count.Add(1) })
	spec, set := shards(t)
	s.init(spec)
	s.do(opLoad, loadArgs{})
	a := data.Assignment{Manifest: [32]byte{1}, Rank: 0, Roster: 1}
	idle := func() string {
		for s.out.Scan() {
			if strings.Contains(s.out.Text(), `"idle":true`) {
				return s.out.Text()
			}
		}
		t.Fatal("the child ended")
		return ""
	}
	for _, until := range []uint64{1, 8, 8, 17, 0} {
		s.do(opRun, Run{Assignment: a, Active: 1, Until: until})
		if until == 0 {
			break
		}
		if idle(); uint64(count.Load()) != until/4 {
			t.Fatalf("%d steps of 4 samples with data up to position %d", count.Load(), until)
		}
	}
	for count.Load() < 8 { // past the first epoch of 30 samples
		if !s.out.Scan() {
			t.Fatal("the child ended")
		}
	}

	// A shard goes away, or is damaged; the child has it open until the next one starts.
	s.do(opStop, nil)
	must(t, s.wait())
	gone := set.Shards[1].ID
	must(t, os.Truncate(filepath.Join(spec.Folder, gone.String()), 100))
	s = serve(t, func([]int32, float64) {})
	s.init(spec)
	s.do(opLoad, loadArgs{})
	s.do(opRun, Run{Assignment: a, Active: 1})
	if line := idle(); !strings.Contains(line, `"absent":"`+gone.String()) {
		t.Errorf("it says %s", line)
	}
	_, err := shard.Write(spec.Folder, 256, func() []int32 {
		tokens := make([]int32, 161)
		for i := range tokens {
			tokens[i] = 1
		}
		return tokens
	}())
	must(t, err)
	must(t, os.Rename(filepath.Join(spec.Folder, shard.FileName(gone)), filepath.Join(spec.Folder, gone.String())))
	s.do(opRun, Run{Assignment: a, Active: 1})
	for s.out.Scan() && !strings.Contains(s.out.Text(), `"steps":`) {
	}
	s.do(opStop, nil)
	must(t, s.wait())
}

func TestShardRefusals(t *testing.T) {
	spec, set := shards(t)
	small := spec
	small.Model.Vocab = 255
	if _, _, err := small.dataset(); err == nil || !strings.Contains(err.Error(), "vocabulary of 255") {
		t.Errorf("a small vocabulary: %v", err)
	}
	must(t, os.Remove(filepath.Join(spec.Folder, set.Heldout.ID.String())))
	if _, _, err := spec.dataset(); err == nil || !strings.Contains(err.Error(), set.Heldout.ID.Short()) {
		t.Errorf("without the held-out shard: %v", err)
	}
}
