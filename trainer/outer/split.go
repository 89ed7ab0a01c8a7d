package outer

import (
	"runtime"
	"sync"

	"github.com/murmurnet/murmur/trainer/codec"
)

// splitSpan is how many parameters a goroutine takes at a time.
const splitSpan = 1 << 18

// split calls do for spans of the ranges, on all CPUs, and returns when all are done.
func split(ranges []codec.Range, do func(lo, hi int)) {
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for _, r := range ranges {
		for lo := r.From; lo < r.To; lo += splitSpan {
			places <- struct{}{}
			group.Go(func() {
				do(lo, min(lo+splitSpan, r.To))
				<-places
			})
		}
	}
	group.Wait()
}
