package worker

import (
	"bufio"
	"math"
	"os"
	"strconv"
	"strings"
)

// memoryShare of what is free may a training step take; the rest is for the daemon, caches, and what comes later.
const memoryShare = 0.8

// available is how many bytes a training step may take on this machine, or in this control group; 0 is unknown.
func available() uint64 {
	free := memoryFree()
	if limit, ok := number("/sys/fs/cgroup/memory.max"); ok {
		if used, ok := number("/sys/fs/cgroup/memory.current"); ok {
			free = min(free, limit-min(used, limit))
		}
	}
	if free == math.MaxUint64 {
		return 0
	}
	return uint64(memoryShare * float64(free))
}

// memoryFree is what the kernel could give without swapping.
func memoryFree() uint64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return math.MaxUint64
	}
	defer func() { _ = f.Close() }() // only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemAvailable:" {
			if kib, err := strconv.ParseUint(fields[1], 10, 54); err == nil {
				return kib << 10
			}
		}
	}
	return math.MaxUint64
}

func number(path string) (uint64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil // "max" is no number
}
