package corpus

import (
	"context"
	"runtime"
	"sync"
)

// blocksPerCPU is how many blocks there are for each CPU: one that is worked on, one that is ready, and slack for the
// order to be kept.
const blocksPerCPU = 4

// flow reads files on one goroutine, tokenizes on every CPU, and gives the blocks to take in the order of the files. Its
// blocks are used again and again, so what is on its way is bounded.
func flow(ctx context.Context, files []file, w worker, take func(*block) error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	n := blocksPerCPU * workers
	free, jobs, ordered := make(chan *block, n), make(chan *block, n), make(chan *block, n)
	for range n {
		free <- &block{done: make(chan struct{}, 1)}
	}
	r := &reader{column: w.column, cutter: cutter{tokenizer: w.tokenizer}, strict: w.strict}
	r.take = func(ctx context.Context) (*block, error) {
		select {
		case b := <-free:
			return b, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	r.emit = func(b *block) { // has room: there are n blocks in all
		ordered <- b
		jobs <- b
	}

	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	var failed error // the reader's; ordered is closed behind it
	all.Go(func() {
		defer close(jobs)
		defer close(ordered)
		for i := range files {
			if failed = r.read(ctx, &files[i]); failed != nil {
				return
			}
		}
	})
	for range workers {
		all.Go(func() {
			for b := range jobs {
				if ctx.Err() == nil {
					w.work(b)
				}
				b.done <- struct{}{}
			}
		})
	}
	for b := range ordered {
		<-b.done
		if b.err != nil {
			return b.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := take(b); err != nil {
			return err
		}
		b.reset()
		free <- b
	}
	return failed
}
