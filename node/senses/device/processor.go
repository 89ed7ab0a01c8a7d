package device

import (
	"context"
	"runtime"
	"strings"

	"github.com/shirou/gopsutil/v4/process"
	"github.com/shirou/gopsutil/v4/sensors"
)

// Sensors of processors, and of AMD's cards, by how their names begin.
var (
	ofProcessors = []string{"coretemp", "k10temp", "zenpower", "cpu", "PMU tdie", "acpitz"}
	ofRadeons    = []string{"amdgpu"}
)

// Processor reads this machine's processor.
func Processor(ctx context.Context) Reading {
	return Reading{Name: "processor (" + runtime.GOARCH + ")", Celsius: hottest(ctx, ofProcessors)}
}

// Radeon reads AMD's cards, as one. They do not tell who keeps them busy.
func Radeon(ctx context.Context) Reading {
	return Reading{Name: "AMD graphics", Celsius: hottest(ctx, ofRadeons)}
}

// hottest is the highest temperature that sensors of a kind tell.
func hottest(ctx context.Context, kinds []string) (celsius float64) {
	all, _ := sensors.TemperaturesWithContext(ctx) // some may be read beside an error
	for _, k := range kinds {
		for _, s := range all {
			if strings.HasPrefix(s.SensorKey, k) {
				celsius = max(celsius, s.Temperature)
			}
		}
		if celsius > 0 { // the kinds stand in the order of trust
			return celsius
		}
	}
	return 0
}

// Memory is how many bytes of the machine's memory processes hold; those that are gone count
// for nothing.
func Memory(ctx context.Context, pids []int) (bytes uint64) {
	for _, pid := range pids {
		p := process.Process{Pid: int32(pid)}
		if m, err := p.MemoryInfoWithContext(ctx); err == nil {
			bytes += m.RSS
		}
	}
	return bytes
}
