package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks are what the kernel counts processor time in, for programs: a hundredth of a second on every Linux.
const ticks = 100

// usage is what a process has used: processor time in seconds, and its share of memory (PSS) in bytes.
func usage(pid int) (cpu float64, memory uint64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name, in brackets, may hold anything; user and system time are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
		}
		cpu += float64(n) / ticks
	}
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(rollup)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			n, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0, 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
			}
			memory = n << 10
		}
	}
	return cpu, memory, nil
}
