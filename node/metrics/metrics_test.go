package metrics

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func full() api.State {
	return api.State{
		Version: "0.1.0", Reason: "training", Head: api.Head{Height: 7, Tokens: 1 << 20, Roster: 3},
		Counts:  api.Counts{Rounds: 5, Included: 12, Missing: 3, OwnIncluded: 4, OwnMissing: 1},
		Trainer: api.Trainer{Up: true, Steps: 9, TokensPerSec: 1234.5},
		Health:  []health.Condition{{ID: "relayed", Severity: health.Warning}},
		Heldout: &api.Heldout{Height: 5, Loss: 1.5},
		Peers: []api.Peer{
			{Connected: true, Path: "lan", Agent: "murmur/0.1.0"},
			{Connected: true, Path: "lan", Agent: "murmur/0.1.0"},
			{Connected: true, Path: "relayed", Agent: "murmur/0.0.9"},
			{Path: "", Agent: "murmur/0.1.0"},
		},
		Traffic: api.Traffic{BytesIn: 10, BytesOut: 20, Protocols: map[string]api.Bytes{"/sync/1": {In: 1, Out: 2}}},
	}
}

func TestMetrics(t *testing.T) {
	c := New(full)
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
# HELP murmur_own_updates_total This node's updates of those rounds, by what became of them.
# TYPE murmur_own_updates_total counter
murmur_own_updates_total{outcome="included"} 4
murmur_own_updates_total{outcome="missing"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "murmur_peers", "murmur_own_updates_total"); err != nil {
		t.Error(err)
	}
	if _, err := testutil.CollectAndLint(New(func() api.State { return api.State{} })); err != nil {
		t.Errorf("of a node that knows nothing yet: %v", err)
	}
}

func TestServe(t *testing.T) {
	s, err := Serve("127.0.0.1:0", full)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(s.Addr, full); err == nil {
		t.Error("two listen at one address")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + s.Addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || res.Body.Close() != nil || !strings.Contains(string(b), "murmur_head_height 7\n") {
		t.Errorf("%v: %s", err, b)
	}
	if res, err = client.Get("http://" + s.Addr + "/v1/state"); err != nil || res.StatusCode != http.StatusNotFound || res.Body.Close() != nil {
		t.Errorf("the state is served there, too: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
