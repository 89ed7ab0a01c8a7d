package node_test

import (
	"context"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/senses"
	"github.com/murmurnet/murmur/node/senses/device"
)

// readings is a machine whose readings a test sets.
type readings struct {
	mu sync.Mutex
	r  policy.Readings
}

func (f *readings) set(change func(*policy.Readings)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.r)
}

func (f *readings) Read(context.Context, senses.Ask) (policy.Readings, []device.Reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.r.Now = time.Now()
	return f.r, []device.Reading{{Name: "fictional", Celsius: f.r.Celsius}}
}

func (f *readings) Close() error { return nil }
