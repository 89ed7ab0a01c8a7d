package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/health"
)

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
# HELP murmur_own_updates_total This node's updates of those rounds, by what became of them.
# TYPE murmur_own_updates_total counter
murmur_own_updates_total{outcome="included"} 4
murmur_own_updates_total{outcome="missing"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "murmur_peers", "murmur_own_updates_total"); err != nil {
		t.Error(err)
	}
	if _, err := testutil.CollectAndLint(collector{func() api.State { return api.State{} }}); err != nil {
		t.Errorf("of a node that knows nothing yet: %v", err)
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
