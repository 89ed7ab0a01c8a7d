//go:build linux && cgo

package device

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// Cards are NVIDIA's graphics cards in this machine.
type Cards struct {
	lib  nvml.Interface
	seen map[int]uint64 // by card: up to when its processes were looked at, in the driver's microseconds
	ours []int          // all that the node ever had there, the newest maxOurs: the driver tells of some that have ended
	here map[int]bool   // by card: they were there at the last look
}

const maxOurs = 64

// Open finds the cards' driver.
func Open() (*Cards, error) { return open(nvml.New()) }

func open(lib nvml.Interface) (*Cards, error) {
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return nil, fmt.Errorf("NVIDIA's driver: %w", failure(lib, ret))
	}
	return &Cards{lib: lib, seen: map[int]uint64{}, here: map[int]bool{}}, nil
}

func failure(lib nvml.Interface, ret nvml.Return) error { return errors.New(lib.ErrorString(ret)) }

// Close lets the driver go.
func (c *Cards) Close() error {
	if ret := c.lib.Shutdown(); ret != nvml.SUCCESS {
		return failure(c.lib, ret)
	}
	return nil
}

// Read reads a card. ours are the node's own processes.
func (c *Cards) Read(card int, ours []int) (r Reading, err error) {
	d, ret := c.lib.DeviceGetHandleByIndex(card)
	if ret != nvml.SUCCESS {
		return r, fmt.Errorf("graphics card %d: %w", card, failure(c.lib, ret))
	}
	if name, ret := d.GetName(); ret == nvml.SUCCESS {
		r.Name = name
	}
	if t, ret := d.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		r.Celsius = float64(t)
	}
	if mw, ret := d.GetPowerUsage(); ret == nvml.SUCCESS {
		r.Watts = float64(mw) / 1000
	}
	if m, ret := d.GetMemoryInfo(); ret == nvml.SUCCESS {
		r.Memory, r.Total = m.Used, m.Total
	}
	c.remember(ours)
	here := c.taken(d, ours, &r)
	ended := len(ours) == 0 && c.here[card]
	c.here[card] = len(ours) > 0
	samples, ret := d.GetProcessUtilization(c.seen[card])
	// Where ours are not found the driver counts processes otherwise, as outside of a container, and
	// they would pass for another's; so would the last samples of some that have just ended there.
	if here || len(ours) == 0 && !ended {
		c.others(card, samples, &r)
		if u, rates := d.GetUtilizationRates(); ret == nvml.ERROR_NOT_SUPPORTED && len(ours) == 0 && rates == nvml.SUCCESS {
			r.Others = float64(u.Gpu) / 100
		}
	}
	for _, s := range samples {
		c.seen[card] = max(c.seen[card], s.TimeStamp)
	}
	return r, nil
}

func (c *Cards) remember(ours []int) {
	for _, pid := range ours {
		if !slices.Contains(c.ours, pid) {
			c.ours = append(c.ours[max(0, len(c.ours)+1-maxOurs):], pid)
		}
	}
}

// taken sums up what our processes hold of a card, and tells whether they are on it.
func (c *Cards) taken(d nvml.Device, ours []int, r *Reading) (here bool) {
	ps, _ := d.GetComputeRunningProcesses()
	for _, p := range ps {
		if slices.Contains(ours, int(p.Pid)) {
			here = true
			if p.UsedGpuMemory < r.Total { // all ones: not known
				r.Taken += p.UsedGpuMemory
			}
		}
	}
	return here
}

// others finds who else keeps a card busy, as a mean since the last look.
func (c *Cards) others(card int, samples []nvml.ProcessUtilizationSample, r *Reading) {
	type use struct{ sum, count float64 }
	uses := map[uint32]use{}
	for _, s := range samples {
		if s.TimeStamp <= c.seen[card] || slices.Contains(c.ours, int(s.Pid)) {
			continue
		}
		u := uses[s.Pid]
		uses[s.Pid] = use{u.sum + float64(s.SmUtil), u.count + 1}
	}
	var most float64
	var busiest uint32
	for pid, u := range uses {
		share := u.sum / u.count / 100
		r.Others += share
		if share > most {
			most, busiest = share, pid
		}
	}
	r.Others = min(r.Others, 1)
	if most > 0 {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", busiest)) // it may be gone
		r.Program = strings.TrimSpace(string(name))
	}
}
