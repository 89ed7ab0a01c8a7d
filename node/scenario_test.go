package node_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/metrics"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

// scrapeEvery is how often a scenario is scraped.
const scrapeEvery = 15 * time.Second

// scenario is what Prometheus would have seen of a closed swarm: scrapes of every daemon's metrics,
// in virtual time. Its time, and every time in it, begins at 0.
type scenario struct {
	*swarm
	community ed25519.PrivateKey
	invite    membership.Invite
	faults    map[int]*fault
	old       map[int]bool // who runs an old version

	began      time.Time
	scrapes    int
	series     map[string][]string // values as promtool reads them
	facts      map[*daemon]func(*api.State)
	skew       map[*daemon]float64 // seconds that a clock is wrong by
	asked      []question
	wantAlerts map[string]map[string]bool // alerts, by instance; none: for the swarm
}

func newScenario(t *testing.T, net *simtest.Swarm, root string) *scenario {
	f := &scenario{
		community: ed25519.NewKeyFromSeed(slices.Repeat([]byte{7}, ed25519.SeedSize)),
		faults:    map[int]*fault{}, old: map[int]bool{}, series: map[string][]string{},
		facts: map[*daemon]func(*api.State){}, skew: map[*daemon]float64{}, wantAlerts: map[string]map[string]bool{},
	}
	f.swarm = &swarm{
		t: t, method: outer.FedAvg, net: net, rng: rand.New(rand.NewPCG(1, 8)), root: root,
		away: make(map[*daemon]time.Time), heights: make(map[uint64]time.Time),
		params: func(d *daemon, p *node.Params) {
			p.Engine, p.Backend = f.fault(d.i).engine(), "toy:1500ms"
			if !f.old[d.i] {
				p.Version = "0.1.1"
			}
		},
	}
	return f
}

func (f *scenario) fault(i int) *fault {
	if f.faults[i] == nil {
		f.faults[i] = &fault{}
	}
	return f.faults[i]
}

func (f *scenario) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// open4 founds the swarm and has three join by invite.
func (f *scenario) open4() {
	change := f.change
	f.change = func(m *manifest.Manifest) {
		m.Inner.LR = 1e-5 // the toys are never done, so no update is empty
		m.Membership.Keys = []proto.PeerID{proto.PeerOf(f.community.Public().(ed25519.PublicKey))}
		if change != nil {
			change(m)
		}
	}
	first := filepath.Join(f.root, "0")
	f.must(os.MkdirAll(first, 0o700))
	f.must(os.WriteFile(filepath.Join(first, "community.key"), []byte(hex.EncodeToString(f.community.Seed())+"\n"), 0o600))
	f.found()
	var err error
	f.invite, err = membership.NewInvite(f.community, f.id, time.Now().Add(24*time.Hour), 16)
	f.must(err)
	for range 3 {
		f.enter(true)
		f.run(200 * time.Millisecond)
	}
	f.began = time.Now()
}

// enter starts a daemon more.
func (f *scenario) enter(invited bool) {
	d := f.place()
	f.must(d.dir.Join(f.id, []string{f.net.Addr(0)}))
	if invited {
		f.must(founding.Enter(d.dir, f.invite))
	}
	f.open(d)
}

// close ends a daemon, as a person does.
func (f *scenario) close(d *daemon) {
	for d.stop(); !f.ended(d); {
		time.Sleep(look)
	}
}

// calm lets time pass in which no alert may fire.
func (f *scenario) calm(d time.Duration) {
	f.play(d)
	f.asked = append(f.asked, question{fired("", "", f.now()), f.now(), 0})
}

// during plays a trouble for some time, in which alerts must fire for some daemons, or for the
// swarm, and mends it.
func (f *scenario) during(d time.Duration, alerts map[string][]int, begin, end func()) {
	from := f.now()
	begin()
	f.play(from + d - f.now())
	for name, daemons := range alerts {
		if daemons == nil {
			f.expect(name, -1, d)
		}
		for _, i := range daemons {
			f.expect(name, i, d)
		}
	}
	end()
	f.t.Logf("%v: height %d after %v", f.now(), f.highest, slices.Sorted(maps.Keys(alerts)))
}

// expect says that an alert must have fired within some time until now.
func (f *scenario) expect(name string, i int, within time.Duration) {
	instance := ""
	if i >= 0 {
		instance = fmt.Sprintf("node-%d", i)
	}
	if f.wantAlerts[name] == nil {
		f.wantAlerts[name] = map[string]bool{}
	}
	f.wantAlerts[name][instance] = true
	f.asked = append(f.asked, question{fired(name, instance, within), f.now(), 1})
}

// now is the scenario's time: that of the newest picture.
func (f *scenario) now() time.Duration { return time.Duration(f.scrapes-1) * scrapeEvery }

// play lets time pass.
func (f *scenario) play(d time.Duration) {
	for end := f.now() + d; f.now() < end; f.scrapeAll() {
		f.run(time.Until(f.began.Add(time.Duration(f.scrapes) * scrapeEvery)))
	}
}

// scrapeAll scrapes all daemons.
func (f *scenario) scrapeAll() {
	for _, d := range f.all {
		target := fmt.Sprintf(`job="reading-circle",instance="node-%d"`, d.i)
		up := "0"
		if d.n != nil {
			up = "1"
			f.scrape(d, target)
		}
		f.note("up{"+target+"}", up)
	}
	f.scrapes++
	for name, v := range f.series { // what was there a picture ago, and is not now
		if len(v) < f.scrapes {
			f.series[name] = append(v, "stale")
		}
	}
}

// note adds a value to a series, which was absent until now if it is new or was stale.
func (f *scenario) note(name, value string) {
	v := f.series[name]
	for len(v) < f.scrapes {
		v = append(v, "_")
	}
	f.series[name] = append(v, value)
}

func (f *scenario) scrape(d *daemon, target string) {
	state := d.n.State
	if change := f.facts[d]; change != nil {
		state = func() api.State {
			s := d.n.State()
			change(&s)
			return s
		}
	}
	w := httptest.NewRecorder()
	metrics.Handler(state).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		f.t.Fatalf("metrics of node %d: %v", d.i, err)
	}
	for name, family := range families {
		for _, m := range family.Metric {
			labels := target
			for _, l := range m.Label {
				labels += fmt.Sprintf(",%s=%q", l.GetName(), l.GetValue())
			}
			note := func(suffix, more string, v float64) {
				f.note(name+suffix+"{"+labels+more+"}", strconv.FormatFloat(v, 'f', -1, 64))
			}
			switch h := m.GetHistogram(); {
			case h != nil:
				for _, b := range h.Bucket {
					le := strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64)
					if math.IsInf(b.GetUpperBound(), 1) {
						le = "+Inf"
					}
					note("_bucket", `,le="`+le+`"`, float64(b.GetCumulativeCount()))
				}
				note("_sum", "", h.GetSampleSum())
				note("_count", "", float64(h.GetSampleCount()))
			case strings.HasSuffix(name, "time_seconds") || strings.HasSuffix(name, "until_seconds"):
				note("", "", value(m)-float64(f.began.UnixMilli())/1000+f.skew[d])
			default:
				note("", "", value(m))
			}
		}
	}
}

func value(m *dto.Metric) float64 { return m.GetGauge().GetValue() + m.GetCounter().GetValue() }

// script writes the scenario as promtool's test of rules, with questions to be asked of it.
func (f *scenario) script(rules string, asked []question) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule_files: [%q]\nevaluation_interval: %s\ntests:\n  - interval: %[2]s\n    input_series:\n", rules, seconds(scrapeEvery))
	for _, name := range slices.Sorted(maps.Keys(f.series)) {
		fmt.Fprintf(&b, "      - series: %s\n        values: %s\n", quoted(name), quoted(strings.Join(f.series[name], " ")))
	}
	b.WriteString("    promql_expr_test:\n")
	for _, q := range asked {
		fmt.Fprintf(&b, "      - expr: %s\n        eval_time: %s\n        exp_samples: [{labels: '{}', value: %d}]\n", quoted(q.expr), seconds(q.at), q.want)
	}
	return b.String()
}

// question is asked of a scenario at some time.
type question struct {
	expr string
	at   time.Duration
	want int
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0fs", d.Seconds()) }

// quoted is a string for YAML.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
