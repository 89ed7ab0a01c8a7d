package metrics

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/murmurnet/murmur/node/api"
)

// mostWords bounds how many of the words that strangers choose for themselves, versions and
// states, are told apart. The rest are "other".
const mostWords = 16

const otherWord = "other"

// peers writes who there is, by groups: a series for each peer would be one for each that
// ever came by.
func (w writer) peers(s api.State) {
	type kind struct{ path, word string }
	paths, states := map[kind]int{}, map[kind]int{}
	connected, flagged, slow, rate := 0, 0, 0, s.Trainer.TokensPerSec
	for _, p := range s.Peers {
		if p.Connected {
			connected++
			paths[kind{p.Path, strings.TrimPrefix(p.Agent, "murmur/")}]++
		}
		if p.State != "" {
			states[kind{"", p.State}]++
		}
		if p.Flag != "" {
			flagged++
		}
		if p.SlowLine() {
			slow++
		}
		rate += p.Rate
	}
	// The most frequent keep their words.
	bounded := func(counts map[kind]int) map[kind]int {
		words := map[string]int{}
		for k, n := range counts {
			words[k.word] += n
		}
		kept := slices.SortedFunc(maps.Keys(words), func(a, b string) int {
			return cmp.Or(cmp.Compare(words[b], words[a]), cmp.Compare(a, b))
		})
		kept = kept[:min(len(kept), mostWords)]
		out := map[kind]int{}
		for k, n := range counts {
			if !slices.Contains(kept, k.word) {
				k.word = otherWord
			}
			out[k] += n
		}
		return out
	}
	w.gauge("connected_peers", "Connected peers.", float64(connected))
	for k, n := range bounded(paths) {
		w.gauge("peers", "Connected peers, by the path to them and their version.", float64(n), "path", k.path, "version", k.word)
	}
	for k, n := range bounded(states) {
		w.gauge("heard_peers", "Peers that heartbeats told of, by what they say of themselves, and gone where the heartbeats have ceased.", float64(n), "state", k.word)
	}
	w.gauge("flagged_peers", "Peers that sent what does not decode.", float64(flagged))
	w.gauge("slow_line_peers", "Connected peers to which an announcement took more than a second to leave in the last minute.", float64(slow))
	w.gauge("swarm_tokens_per_second", "How fast this node and the peers that it hears learn, by their own word.", rate)
	w.gauge("reach", "Whether others can dial this node: 1 for the verdict.", 1, "verdict", cmp.Or(s.Reach.Verdict, "unknown"))
}

// traffic writes what crossed the network, against what was needed and what it replaces.
func (w writer) traffic(s api.State) {
	t := s.Traffic
	w.counter("traffic_received_bytes_total", "Bytes received, everything counted.", float64(t.BytesIn))
	w.counter("traffic_sent_bytes_total", "Bytes sent, everything counted.", float64(t.BytesOut))
	for name, b := range t.Protocols {
		w.counter("protocol_received_bytes_total", "Bytes received on streams, by protocol.", float64(b.In), "protocol", name)
		w.counter("protocol_sent_bytes_total", "Bytes sent on streams, by protocol.", float64(b.Out), "protocol", name)
	}
	w.counter("traffic_necessary_bytes_total", "Bytes that had to be received: other nodes' payloads that rounds took in.", float64(t.Necessary))
	w.counter("traffic_all_reduce_bytes_total", "Bytes that a ring all-reduce of float32 gradients would have received for this node's part.", float64(t.AllReduce))
	for cause, n := range t.Dropped {
		w.counter("gossip_dropped_total", "Gossip messages that went no further, by cause.", float64(n), "cause", cause)
	}
}
