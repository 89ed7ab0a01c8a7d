//go:build linux && cgo

package device

import (
	"context"
	"os"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

// card is a driver with one card, whose processes are as the test says.
func card(running []nvml.ProcessInfo, samples []nvml.ProcessUtilizationSample, answer nvml.Return) nvml.Interface {
	d := &mock.Device{
		GetNameFunc:                    func() (string, nvml.Return) { return "Fictional 4000", nvml.SUCCESS },
		GetTemperatureFunc:             func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 61, nvml.SUCCESS },
		GetPowerUsageFunc:              func() (uint32, nvml.Return) { return 0, nvml.ERROR_NOT_SUPPORTED },
		GetMemoryInfoFunc:              func() (nvml.Memory, nvml.Return) { return nvml.Memory{Total: 8e9, Used: 3e9}, nvml.SUCCESS },
		GetUtilizationRatesFunc:        func() (nvml.Utilization, nvml.Return) { return nvml.Utilization{Gpu: 40}, nvml.SUCCESS },
		GetComputeRunningProcessesFunc: func() ([]nvml.ProcessInfo, nvml.Return) { return running, nvml.SUCCESS },
		GetProcessUtilizationFunc: func(uint64) ([]nvml.ProcessUtilizationSample, nvml.Return) {
			return samples, answer
		},
	}
	return &mock.Interface{
		InitFunc:     func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc: func() nvml.Return { return nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) {
			if i > 0 {
				return nil, nvml.ERROR_INVALID_ARGUMENT
			}
			return d, nvml.SUCCESS
		},
		ErrorStringFunc: func(nvml.Return) string { return "no such card" },
	}
}

func TestCards(t *testing.T) {
	self := uint32(os.Getpid())
	ours := nvml.ProcessInfo{Pid: 7, UsedGpuMemory: 2e9}
	busy := []nvml.ProcessUtilizationSample{
		{Pid: 7, TimeStamp: 10, SmUtil: 99},
		{Pid: self, TimeStamp: 10, SmUtil: 80},
		{Pid: self, TimeStamp: 20, SmUtil: 60},
		{Pid: 1, TimeStamp: 20, SmUtil: 10},
	}
	for _, tc := range []struct {
		name    string
		lib     nvml.Interface
		ours    []int
		others  float64
		taken   uint64
		program bool
	}{
		{"a game beside our training", card([]nvml.ProcessInfo{ours}, busy, nvml.SUCCESS), []int{7}, 0.8, 2e9, true},
		{"the desktop only", card([]nvml.ProcessInfo{ours}, busy[:1], nvml.SUCCESS), []int{7}, 0, 2e9, false},
		{"nothing new", card([]nvml.ProcessInfo{ours}, nil, nvml.ERROR_NOT_FOUND), []int{7}, 0, 2e9, false},
		{"a container, where processes have other numbers", card([]nvml.ProcessInfo{{Pid: 4711}}, busy, nvml.SUCCESS), []int{7}, 0, 0, false},
		{"an old card, while we do not train", card(nil, nil, nvml.ERROR_NOT_SUPPORTED), nil, 0.4, 0, false},
		{"an old card, while we train", card([]nvml.ProcessInfo{ours}, nil, nvml.ERROR_NOT_SUPPORTED), []int{7}, 0, 2e9, false},
		{"memory that is not known", card([]nvml.ProcessInfo{{Pid: 7, UsedGpuMemory: ^uint64(0)}}, nil, nvml.SUCCESS), []int{7}, 0, 0, false},
	} {
		c, err := open(tc.lib)
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Read(0, tc.ours)
		if err != nil || r.Name != "Fictional 4000" || r.Celsius != 61 || r.Watts != 0 || r.Total != 8e9 || r.Memory != 3e9 {
			t.Errorf("%s: %+v, %v", tc.name, r, err)
		}
		if d := r.Others - tc.others; d > 1e-9 || d < -1e-9 || r.Taken != tc.taken || (r.Program != "") != tc.program {
			t.Errorf("%s: %+v", tc.name, r)
		}
		if r, _ := c.Read(0, tc.ours); tc.others == 0.8 && r.Others != 0 {
			t.Errorf("%s: old samples count again: %+v", tc.name, r)
		}
		if r, _ := c.Read(0, nil); len(tc.ours) > 0 && r.Others != 0 {
			t.Errorf("%s: ours pass for another's when they have ended: %+v", tc.name, r)
		}
		if _, err := c.Read(1, nil); err == nil {
			t.Error("there is one card only")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMemory(t *testing.T) {
	if b := Memory(context.Background(), []int{os.Getpid(), 1 << 30}); b < 1<<20 || b > 1<<34 {
		t.Errorf("this process holds %d bytes", b)
	}
}
