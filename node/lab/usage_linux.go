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
	memory, err = rollup(pid, "Pss:")
	return cpu, memory, err
}

// resident is what a process has in memory, whoever shares it.
func resident(pid int) (uint64, error) { return rollup(pid, "Rss:") }

// anonymous is what a process has that no file backs: it cannot be dropped, but for swapping.
func anonymous(pid int) (uint64, error) { return rollup(pid, "Anonymous:") }

// rollup is a sum over a process's mappings, in bytes.
func rollup(pid int, of string) (bytes uint64, err error) {
	sums, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(sums)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == of {
			n, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the memory of process %d: %w", pid, err)
			}
			bytes = n << 10
		}
	}
	return bytes, nil
}

// mapped is a process's share of the files below a directory that it has mapped.
func mapped(pid int, dir string) (memory uint64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, err
	}
	below := false
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 5 && strings.Contains(f[0], "-"): // a mapping begins
			below = len(f) >= 6 && strings.HasPrefix(f[5], dir)
		case below && f[0] == "Pss:":
			n, err := strconv.ParseUint(f[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("reading the mappings of process %d: %w", pid, err)
			}
			memory += n << 10
		}
	}
	return memory, nil
}

// children is how many processes a process has started that are still there.
func children(pid int) (count int, err error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue // the thread has ended
		}
		count += len(strings.Fields(string(b)))
	}
	return count, nil
}
