package worker

import (
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Free is how many bytes programs may still take on this machine, and in the control groups that the process is in; 0 is unknown.
func Free() uint64 {
	free := min(memoryFree(), groupsFree(os.DirFS("/")))
	if free == math.MaxUint64 {
		return 0
	}
	return free
}

// groupsFree is what the tightest of the control groups has left from the process's own to the root: a unit of systemd has
// its limit far below the root.
func groupsFree(root fs.FS) uint64 {
	free := uint64(math.MaxUint64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return free
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		switch {
		case fields[1] == "":
			free = min(free, left(root, "sys/fs/cgroup", fields[2], "memory.max", "memory.current", "inactive_file"))
		case slices.Contains(strings.Split(fields[1], ","), "memory"): // version 1
			free = min(free, left(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
		}
	}
	return free
}

// left is what a group and those above it leave, by the names that a version has for limit, use, and the files that the
// kernel would drop from its cache. In a container the group may be the host's, and not be there.
func left(root fs.FS, mount, group, limit, use, cache string) uint64 {
	free := uint64(math.MaxUint64)
	for dir := path.Join("/", group); ; dir = path.Dir(dir) {
		at := path.Join(mount, dir)
		if most, ok := number(root, path.Join(at, limit)); ok {
			used, _ := number(root, path.Join(at, use))
			idle, _ := listed(root, path.Join(at, "memory.stat"), cache)
			used -= min(used, idle)
			free = min(free, most-min(used, most))
		}
		if dir == "/" {
			return free
		}
	}
}

// memoryFree is what the kernel could give without swapping.
func memoryFree() uint64 {
	if kib, ok := listed(os.DirFS("/"), "proc/meminfo", "MemAvailable:"); ok && kib < 1<<54 {
		return kib << 10
	}
	return math.MaxUint64
}

// memoryKills is how many processes the kernel has killed because memory ran out, in whichever control group; 0 where it does not say.
func memoryKills() uint64 {
	n, _ := listed(os.DirFS("/"), "proc/vmstat", "oom_kill")
	return n
}

// listed is the number behind a word in a file that has one on each line.
func listed(root fs.FS, name, word string) (uint64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == word {
			n, err := strconv.ParseUint(fields[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

func number(root fs.FS, name string) (uint64, bool) {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil // "max" is no number
}
