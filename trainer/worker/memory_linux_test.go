package worker

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestGroupsFree(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"no groups":  {nil, math.MaxUint64},
		"no limit":   {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "5\n"}, math.MaxUint64},
		"the root's": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "734003200\n", "sys/fs/cgroup/memory.current": "104857600\n"}, 600 * mib},
		"a unit's, below it": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/murmur.service\n",
			"sys/fs/cgroup/system.slice/murmur.service/memory.max":     "max\n",
			"sys/fs/cgroup/system.slice/memory.max":                    "734003200\n",
			"sys/fs/cgroup/system.slice/memory.current":                "524288000\n",
			"sys/fs/cgroup/system.slice/memory.stat":                   "anon 1\ninactive_file 419430400\nactive_file 7\n",
			"sys/fs/cgroup/system.slice/murmur.service/memory.current": "5\n",
		}, 600 * mib},
		"version 1": {map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/\n5:memory:/bugs\n1:name=systemd:/x\n",
			"sys/fs/cgroup/memory/bugs/memory.limit_in_bytes":      "734003200\n",
			"sys/fs/cgroup/memory/bugs/memory.usage_in_bytes":      "104857600\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":           "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes":           "900000000\n",
			"sys/fs/cgroup/memory/bugs/memory.stat":                "total_inactive_file 0\n",
			"sys/fs/cgroup/cpu,cpuacct/memory.limit_in_bytes":      "1\n",
			"sys/fs/cgroup/unified/memory.max":                     "max\n",
			"sys/fs/cgroup/memory/elsewhere/memory.usage_in_bytes": "1\n",
		}, 600 * mib},
		"the host's path in a container": {map[string]string{
			"proc/self/cgroup":                           "5:memory:/docker/0123\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "734003200\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "104857600\n",
		}, 600 * mib},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := groupsFree(root); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
}
