// Package metrics shows a node's state to Prometheus.
//
// It reads the state tree when it is scraped and computes nothing of its own, so it agrees
// with every other view. It must not know where the tree comes from.
package metrics

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/murmurnet/murmur/node/api"
)

// Handler answers scrapes at /metrics. There is nothing to be steered there and no secret to
// be read.
func Handler(state func() api.State) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector{state}) // which describes nothing that could clash
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// collector makes metrics of a node's state at each scrape.
type collector struct{ state func() api.State }

// Describe describes nothing in advance: which peers and protocols there are changes.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.state()
	w := writer{out}
	w.gauge("build_info", "The version that runs.", 1, "version", s.Version)
	w.gauge("start_time_seconds", "When the node started.", seconds(s.Started))
	w.gauge("state", "Why the node does or does not train: 1 for the reason that counts.", 1, "reason", s.Reason)

	for _, c := range s.Health {
		w.gauge("condition", "What is wrong with the node: 1 while it is.", 1, "id", c.ID, "severity", string(c.Severity))
	}

	w.gauge("head_height", "The round that the node stands on.", float64(s.Head.Height))
	w.counter("head_tokens_total", "Tokens that the swarm has committed since its beginning, by this node's head.", float64(s.Head.Tokens))
	w.gauge("head_roster_nodes", "Nodes with an update in the last three rounds.", float64(s.Head.Roster))
	w.gauge("round_age_seconds", "How long the round under way lasts.", s.Round.Seconds)
	w.gauge("round_active_nodes", "Nodes that share the round under way.", float64(s.Round.Active))
	w.gauge("round_last_seconds", "How long the newest round took.", s.Round.Last.Seconds)
	w.gauge("round_steps", "Inner steps of a round (H).", float64(s.Round.H))
	w.counter("rounds_total", "Rounds that this node has taken over since it started.", float64(s.Counts.Rounds))
	for outcome, n := range map[string]uint64{"included": s.Counts.Included, "missing": s.Counts.Missing} {
		w.counter("updates_total", "Updates of those rounds, by what became of them.", float64(n), "outcome", outcome)
	}
	for outcome, n := range map[string]uint64{"included": s.Counts.OwnIncluded, "missing": s.Counts.OwnMissing} {
		w.counter("own_updates_total", "This node's updates of those rounds, by what became of them.", float64(n), "outcome", outcome)
	}
	if h := s.Heldout; h != nil {
		w.gauge("heldout_loss_nats", "The newest held-out loss that the swarm measured, in nats a token.", h.Loss)
		w.gauge("heldout_height", "The round that it belongs to.", float64(h.Height))
	}

	w.gauge("trainer_up", "Whether the trainer process is ready.", truth(s.Trainer.Up))
	w.counter("trainer_restarts_total", "Times that the trainer process had to be started again.", float64(s.Trainer.Restarts))
	w.counter("trainer_steps_total", "Inner steps since the node started.", float64(s.Trainer.Steps))
	w.counter("trainer_tokens_total", "Tokens learned since the node started.", float64(s.Trainer.Tokens))
	w.gauge("trainer_tokens_per_second", "How fast the trainer learns.", s.Trainer.TokensPerSec)
	w.gauge("trainer_loss_nats", "The newest training loss, in nats a token.", s.Trainer.Loss)

	type kind struct{ path, version string }
	kinds := map[kind]int{}
	for _, p := range s.Peers {
		if p.Connected {
			kinds[kind{p.Path, strings.TrimPrefix(p.Agent, "murmur/")}]++
		}
	}
	for k, n := range kinds {
		w.gauge("peers", "Connected peers, by the path to them and their version.", float64(n), "path", k.path, "version", k.version)
	}
	w.counter("traffic_received_bytes_total", "Bytes received, everything counted.", float64(s.Traffic.BytesIn))
	w.counter("traffic_sent_bytes_total", "Bytes sent, everything counted.", float64(s.Traffic.BytesOut))
	for name, t := range s.Traffic.Protocols {
		w.counter("protocol_received_bytes_total", "Bytes received on streams, by protocol.", float64(t.In), "protocol", name)
		w.counter("protocol_sent_bytes_total", "Bytes sent on streams, by protocol.", float64(t.Out), "protocol", name)
	}
	w.gauge("month_bytes", "Traffic to and from outside the local network in this calendar month.", float64(s.Usage.Bytes))

	w.gauge("process_memory_bytes", "Memory of the daemon, without its trainer.", float64(s.Process.Memory))
	w.gauge("process_goroutines", "Goroutines of the daemon.", float64(s.Process.Goroutines))
	w.gauge("disk_bytes", "What the swarm's directory holds.", float64(s.Process.Disk))
}

// writer names metrics and gives them values.
type writer struct{ out chan<- prometheus.Metric }

func (w writer) gauge(name, help string, v float64, labels ...string) {
	w.write(prometheus.GaugeValue, name, help, v, labels)
}

func (w writer) counter(name, help string, v float64, labels ...string) {
	w.write(prometheus.CounterValue, name, help, v, labels)
}

// write takes labels as name and value in turn.
func (w writer) write(t prometheus.ValueType, name, help string, v float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	w.out <- prometheus.MustNewConstMetric(prometheus.NewDesc("murmur_"+name, help, names, nil), t, v, values...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
