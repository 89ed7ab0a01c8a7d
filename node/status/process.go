package status

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/home"
)

// Usage measures what this process takes of its machine.
type Usage struct{ disk disk }

// Of measures it, with what lies in a directory.
func (u *Usage) Of(d home.Dir) api.Process {
	const total, released, heap = "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes", "/memory/classes/heap/objects:bytes"
	m := []metrics.Sample{{Name: total}, {Name: released}, {Name: heap}}
	metrics.Read(m)
	return api.Process{
		Memory: m[0].Value.Uint64() - m[1].Value.Uint64(), Heap: m[2].Value.Uint64(),
		Goroutines: runtime.NumGoroutine(), Disk: u.disk.of(d),
	}
}

// diskEvery is how often the directory is walked while somebody watches.
const diskEvery = 10 * time.Second

// disk is what a directory held when it was last walked.
type disk struct {
	mu    sync.Mutex
	at    time.Time
	bytes uint64
}

func (k *disk) of(d home.Dir) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.at) >= diskEvery {
		k.at, k.bytes = time.Now(), d.Size()
	}
	return k.bytes
}
