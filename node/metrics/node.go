package metrics

import (
	"strconv"
	"time"

	"github.com/murmurnet/murmur/node/api"
)

// mbit is a Mbit/s in bytes a second.
const mbit = 1e6 / 8

// node writes what the daemon is, whether it may work, what is wrong, and what it takes.
func (w writer) node(s api.State) {
	w.gauge("build_info", "The version that runs.", 1, "version", s.Version)
	w.gauge("node_info", "Which node of which swarm this is.", 1, "peer", s.Peer.String(), "swarm", s.Swarm.String(), "name", s.Name)
	w.gauge("start_time_seconds", "When the node started, in Unix time.", seconds(s.Started))
	w.gauge("time_seconds", "The time by this machine's clock, in Unix time.", seconds(time.Now()))

	w.gauge("state", "Why the node does or does not train: 1 for the reason that counts.", 1, "reason", s.Reason)
	w.known("state_until_seconds", "When that may change by itself, in Unix time.", seconds(s.Until))
	p := s.Policy
	w.gauge("policy_info", "What a person allows the machine: hours to train and to use the line, and training on battery.", 1,
		"compute", p.Compute.String(), "network", p.Network.String(), "battery", strconv.FormatBool(p.Battery))
	w.known("limit_bytes_per_second", "What the line may carry to and from outside the local network, where that is limited.", s.Limits.UpMbit*mbit, "direction", "up")
	w.known("limit_bytes_per_second", "What the line may carry to and from outside the local network, where that is limited.", s.Limits.DownMbit*mbit, "direction", "down")
	w.known("limit_month_bytes", "What it may carry in a calendar month, where that is limited.", s.Limits.MonthGB*1e9)
	w.gauge("month_bytes", "What it has carried in this calendar month.", float64(s.Usage.Bytes))

	for _, c := range s.Health {
		w.gauge("condition", "What is wrong with the node: 1 while it is.", 1, "id", c.ID, "severity", string(c.Severity))
	}

	w.gauge("process_memory_bytes", "Memory of the daemon, without its trainer.", float64(s.Process.Memory))
	w.gauge("process_goroutines", "Goroutines of the daemon.", float64(s.Process.Goroutines))
	w.gauge("disk_bytes", "What the swarm's directory holds.", float64(s.Process.Disk))
}
