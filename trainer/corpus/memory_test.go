package corpus

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
)

// heapBound is what a prepare on two CPUs may hold, live and garbage: 8 blocks of about 1.5 MiB with bytes as tokens, a
// shard's two leaves and 1 MiB held out are 15 MiB; parsed lines on their way and the collector's slack make three times
// that. The input is 40 MiB, its tokens in memory would be 160.
const heapBound = 48 << 20

// Memory does not grow with the input.
func TestConstantMemory(t *testing.T) {
	const size, heldout = 40 << 20, 1 << 18
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	path := filepath.Join(t.TempDir(), "a.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for n, i := 0, 0; n < size; i++ {
		m, _ := fmt.Fprintf(w, "{\"id\": %d, \"text\": \"%x %0*d\"}\n", i, i*i, 100+i%4000, i)
		n += m
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before, most := sample[0].Value.Uint64(), uint64(0)
	p := params(filepath.Join(t.TempDir(), "out"), path)
	p.Heldout, p.ShardTokens = heldout, DefaultShardTokens
	p.Progress = func(Progress) {
		metrics.Read(sample)
		most = max(most, sample[0].Value.Uint64()-min(before, sample[0].Value.Uint64()))
	}
	r, err := Prepare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB of text: the heap holds %d MiB at most, the bound is %d MiB", r.TextBytes>>20, most>>20, heapBound>>20)
	if most > heapBound {
		t.Errorf("the heap holds %d MiB, bound %d MiB", most>>20, heapBound>>20)
	}
}

func BenchmarkPrepare(b *testing.B) {
	dir := b.TempDir()
	docs := some(2000)
	in := write(b, dir, "a.jsonl", jsonLines(docs))
	info, err := os.Stat(in)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	n := 0
	for b.Loop() {
		p := params(filepath.Join(dir, fmt.Sprint("out", n)), in)
		p.ShardTokens, p.Heldout = DefaultShardTokens, 0
		if _, err := Prepare(b.Context(), p); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
