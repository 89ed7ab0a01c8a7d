package node_test

import (
	"context"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/senses"
	"github.com/murmurnet/murmur/node/senses/device"
)

// feeling is a machine whose readings a test sets.
type feeling struct {
	mu sync.Mutex
	r  policy.Readings
}

func (f *feeling) set(change func(*policy.Readings)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.r)
}

func (f *feeling) Read(context.Context, senses.Ask) (policy.Readings, []device.Reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.r.Now = time.Now()
	return f.r, []device.Reading{{Name: "fictional", Celsius: f.r.Celsius}}
}

func (f *feeling) Close() error { return nil }
