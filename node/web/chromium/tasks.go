package chromium

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// traced is one line of Chromium's trace, as far as it counts here.
type traced struct {
	Name string  `json:"name"`
	Pid  int     `json:"pid"`
	Tid  int     `json:"tid"`
	CPU  float64 `json:"tdur"` // microseconds
	Args struct {
		Name string `json:"name"`
	} `json:"args"`
}

// Tasks are the processor times of what pages' main threads did while f ran, rising: a frame is
// drawn in one of them. Unlike times of the clock, they do not count what others on the machine do.
func (b *Tab) Tasks(f func()) []time.Duration {
	b.t.Helper()
	var lines []traced
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *tracing.EventDataCollected:
			for _, v := range e.Value {
				var l traced
				if json.Unmarshal(v, &l) == nil { // others have other arguments
					lines = append(lines, l)
				}
			}
		case *tracing.EventTracingComplete:
			close(ended)
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel", "__metadata"}}})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	f()
	if _, err = chromedp.Call(ctx, tracing.End, struct{}{}); err != nil {
		b.t.Fatal(err)
	}
	<-ended
	return mainTasks(lines)
}

func mainTasks(lines []traced) (took []time.Duration) {
	type thread struct{ pid, tid int }
	pages := map[thread]bool{}
	for _, l := range lines {
		if l.Name == "thread_name" && l.Args.Name == "CrRendererMain" {
			pages[thread{l.Pid, l.Tid}] = true
		}
	}
	for _, l := range lines {
		if pages[thread{l.Pid, l.Tid}] && l.Name == "ThreadControllerImpl::RunTask" {
			took = append(took, time.Duration(l.CPU*float64(time.Microsecond)))
		}
	}
	slices.Sort(took)
	return took
}
