package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/metrics/promtool"
	"github.com/murmurnet/murmur/proto"
)

// full is a state that has something of everything.
func full() api.State {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return api.State{
		Version: "0.1.0", Name: "reading-circle", Started: began, Reason: "training", Until: began.Add(time.Hour),
		Head:     api.Head{Height: 7, Tokens: 1 << 20, Roster: 3},
		Schedule: api.Schedule{TotalTokens: 1 << 30},
		Round:    api.Round{Seconds: 3, Active: 3, H: 30, Last: api.Outcome{Seconds: 12, View: 1, Loss: 2.5, Moved: 1.5}},
		Counts: api.Counts{
			Rounds: 5, Included: 12, Missing: 3, Late: 2, OwnIncluded: 4, OwnMissing: 1,
			Seconds: 5060, Took: [len(api.RoundBounds)]uint64{3: 3, 4: 1}, // and one of more than an hour
		},
		Trainer: api.Trainer{Up: true, Backend: "xla:cuda", Device: "a card", Steps: 9, TokensPerSec: 1234.5, Loss: 2.75},
		Devices: []api.Device{
			{Name: "a card", Celsius: 61, Watts: 180, Memory: 2 << 30, Total: 8 << 30, Others: .25},
			{Name: "a card", Celsius: 62},
		},
		Share:   api.Share{Tokens: 4096},
		Health:  []health.Condition{{ID: "relayed", Severity: health.Warning}},
		Heldout: &api.Heldout{Height: 5, Loss: 1.5},
		Peers: []api.Peer{
			{Connected: true, Path: "lan", Agent: "murmur/0.1.0", State: "training", Rate: 100},
			{Connected: true, Path: "lan", Agent: "murmur/0.1.0", State: "training", Rate: 200, Flag: "its update does not decode"},
			{Connected: true, Path: "relayed", Agent: "murmur/0.0.9", State: "paused"},
			{Agent: "murmur/0.1.0", State: api.Gone},
		},
		Traffic: api.Traffic{
			BytesIn: 10, BytesOut: 20, Protocols: map[string]api.Bytes{"/sync/1": {In: 1, Out: 2}}, Necessary: 5, AllReduce: 5000,
			Dropped: map[string]uint64{"rate": 3, "stale": 0},
		},
		Limits: api.Limits{UpMbit: 8, DownMbit: 16, MonthGB: 100}, Usage: api.Usage{Bytes: 1e9},
	}
}

func TestMetrics(t *testing.T) {
	c := collector{full}
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	const want = `
# HELP murmur_peers Connected peers, by the path to them and their version.
# TYPE murmur_peers gauge
murmur_peers{path="lan",version="0.1.0"} 2
murmur_peers{path="relayed",version="0.0.9"} 1
# HELP murmur_heard_peers Peers that heartbeats told of, by what they say of themselves, and gone where the heartbeats have ceased.
# TYPE murmur_heard_peers gauge
murmur_heard_peers{state="gone"} 1
murmur_heard_peers{state="paused"} 1
murmur_heard_peers{state="training"} 2
# HELP murmur_swarm_tokens_per_second How fast this node and the peers that it hears learn, by their own word.
# TYPE murmur_swarm_tokens_per_second gauge
murmur_swarm_tokens_per_second 1534.5
# HELP murmur_updates_total Updates of those rounds, by what became of them.
# TYPE murmur_updates_total counter
murmur_updates_total{outcome="included"} 12
murmur_updates_total{outcome="missing"} 3
# HELP murmur_updates_late_total Updates that came when their round was over: updates_total has them as missing.
# TYPE murmur_updates_late_total counter
murmur_updates_late_total 2
# HELP murmur_gossip_dropped_total Gossip messages that went no further, by cause.
# TYPE murmur_gossip_dropped_total counter
murmur_gossip_dropped_total{cause="rate"} 3
murmur_gossip_dropped_total{cause="stale"} 0
# HELP murmur_round_duration_seconds How long those rounds took.
# TYPE murmur_round_duration_seconds histogram
murmur_round_duration_seconds_bucket{le="1"} 0
murmur_round_duration_seconds_bucket{le="2"} 0
murmur_round_duration_seconds_bucket{le="5"} 0
murmur_round_duration_seconds_bucket{le="10"} 3
murmur_round_duration_seconds_bucket{le="20"} 4
murmur_round_duration_seconds_bucket{le="30"} 4
murmur_round_duration_seconds_bucket{le="60"} 4
murmur_round_duration_seconds_bucket{le="120"} 4
murmur_round_duration_seconds_bucket{le="300"} 4
murmur_round_duration_seconds_bucket{le="600"} 4
murmur_round_duration_seconds_bucket{le="1800"} 4
murmur_round_duration_seconds_bucket{le="3600"} 4
murmur_round_duration_seconds_bucket{le="+Inf"} 5
murmur_round_duration_seconds_sum 5060
murmur_round_duration_seconds_count 5
# HELP murmur_device_celsius The device's temperature, where it can be read.
# TYPE murmur_device_celsius gauge
murmur_device_celsius{device="0",name="a card"} 61
murmur_device_celsius{device="1",name="a card"} 62
# HELP murmur_limit_bytes_per_second What the line may carry to and from outside the local network, where that is limited.
# TYPE murmur_limit_bytes_per_second gauge
murmur_limit_bytes_per_second{direction="down"} 2e+06
murmur_limit_bytes_per_second{direction="up"} 1e+06
# HELP murmur_policy_info What a person allows the machine: hours to train and to use the line, and training on battery.
# TYPE murmur_policy_info gauge
murmur_policy_info{battery="false",compute="always",network="always"} 1
# HELP murmur_state_until_seconds When that may change by itself, in Unix time.
# TYPE murmur_state_until_seconds gauge
murmur_state_until_seconds 1.7954388e+09
`
	var names []string
	for line := range strings.Lines(want) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, strings.Fields(rest)[0])
		}
	}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	if _, err := testutil.CollectAndLint(collector{func() api.State { return api.State{} }}); err != nil {
		t.Errorf("of a node that knows nothing yet: %v", err)
	}
}

// TestStrangersWords has every peer call itself something else.
func TestStrangersWords(t *testing.T) {
	s := full()
	for i := range 500 {
		s.Peers = append(s.Peers, api.Peer{Connected: true, Path: "direct", Agent: fmt.Sprintf("murmur/9.%d.0", i), State: fmt.Sprint("mood ", i)})
	}
	c := collector{func() api.State { return s }}
	for name, most := range map[string]int{"murmur_peers": mostWords + 2, "murmur_heard_peers": mostWords + 1} {
		if n := testutil.CollectAndCount(c, name); n > most {
			t.Errorf("%s has %d series, want at most %d", name, n, most)
		}
	}
	page := scrape(c.state)
	for _, want := range []string{`murmur_peers{path="lan",version="0.1.0"} 2`, `state="other"}`, `murmur_connected_peers 503`} {
		if !strings.Contains(page, want) {
			t.Errorf("there is no %s in\n%s", want, page)
		}
	}
}

func TestHandler(t *testing.T) {
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/v1/state": http.StatusNotFound} {
		w := httptest.NewRecorder()
		Handler(full).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want || want == http.StatusOK && !strings.Contains(w.Body.String(), "murmur_head_height 7\n") {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
	}
}

func TestPromtoolAccepts(t *testing.T) {
	promtool.Run(t, scrape(full), "check", "metrics")
}

func scrape(state func() api.State) string {
	w := httptest.NewRecorder()
	Handler(state).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// BenchmarkScrape is a scrape of a node that knows 200 peers, from a state that is at hand.
func BenchmarkScrape(b *testing.B) {
	s := full()
	for i := range 200 {
		s.Peers = append(s.Peers, api.Peer{
			ID: proto.PeerID(fmt.Sprint("peer", i)), Connected: true, Path: "direct", Agent: "murmur/0.1.0", State: "training", Rate: 100,
			Share: api.Share{Recent: strings.Repeat("+", 50)},
		})
	}
	h := Handler(func() api.State { return s })
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		b.SetBytes(int64(w.Body.Len()))
	}
}
