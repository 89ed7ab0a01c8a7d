// Package metrics shows a node's state to Prometheus.
//
// It reads the state tree when it is scraped and computes nothing of its own, so it agrees
// with every other view. What strangers say of themselves makes a bounded number of series.
// It must not know where the tree comes from.
package metrics

import (
	"net/http"
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
	w.node(s)
	w.rounds(s)
	w.trainer(s)
	w.peers(s)
	w.traffic(s)
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
	w.out <- prometheus.MustNewConstMetric(describe(name, help, names), t, v, values...)
}

func describe(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc("murmur_"+name, help, labels, nil)
}

// known writes what cannot always be told, where it can.
func (w writer) known(name, help string, v float64, labels ...string) {
	if v != 0 {
		w.gauge(name, help, v, labels...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds is Unix time; 0 for no time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
