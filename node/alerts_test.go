package node_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/metrics/promtool"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/p2p/simtest"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// TestAlerts has swarms of whole daemons raise every alert, one trouble after the other, and
// mends it. Each alert must come for the daemons in trouble, for no others, and be gone at the end.
func TestAlerts(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("it takes two minutes, and ten times as long under the race detector, which sees whole daemons in TestChurn")
	}
	rules, err := filepath.Abs("../docs/operate/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	promtool.Run(t, "", "check", "rules", rules)
	names := alertsOf(t, rules)
	wantAlerts := map[string]bool{}
	stories, played := map[string]func(*scenario){"unsteady": unsteady, "troubled": troubled}, 0
	for story, play := range stories {
		t.Run(story, func(t *testing.T) {
			played++
			var f *scenario
			root := t.TempDir()
			simtest.Run(t, simtest.Params{}, func(t *testing.T, net *simtest.Swarm) {
				f = newScenario(t, net, root)
				defer f.end()
				play(f)
			})
			asked := f.asked
			for name := range f.wantAlerts {
				wantAlerts[name] = true
				if !slices.Contains(names, name) {
					t.Errorf("there is no alert %s", name)
				}
			}
			asked = append(asked, question{`count(ALERTS{alertstate="firing"}) or vector(0)`, f.now(), 0})
			for _, name := range names {
				for _, d := range f.all {
					instance := fmt.Sprintf("node-%d", d.i)
					if by := f.wantAlerts[name]; !by[instance] && !by[""] {
						asked = append(asked, question{fired(name, instance, f.now()), f.now(), 0})
					}
				}
			}
			file := filepath.Join(root, "scenario.yml")
			script := f.script(rules, asked)
			if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d pictures of %d series over %v, %d questions, %d bytes", f.scrapes, len(f.series), f.now(), len(asked), len(script))
			promtool.Run(t, "", "test", "rules", file)
		})
	}
	for _, name := range names {
		if !wantAlerts[name] && played == len(stories) { // not where -run chose one
			t.Errorf("nothing here raises %s", name)
		}
	}
}

// fired tells, as 0 or 1, whether an alert fired within some time.
func fired(name, instance string, within time.Duration) string {
	match := []string{`alertstate="firing"`}
	if name != "" {
		match = append(match, `alertname="`+name+`"`)
	}
	if instance != "" {
		match = append(match, `instance="`+instance+`"`)
	}
	return fmt.Sprintf("(count(count_over_time(ALERTS{%s}[%s])) > bool 0) or vector(0)", strings.Join(match, ","), seconds(within))
}

func alertsOf(t *testing.T, rules string) (names []string) {
	b, err := os.ReadFile(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(b), -1) {
		names = append(names, m[1])
	}
	return names
}

// unsteady films how a member's line becomes too slow for its updates of 400 KB, and how
// three of four come and go.
func unsteady(f *scenario) {
	f.change = func(m *manifest.Manifest) {
		m.Model.Layers = 2
		m.Rounds.GraceMS, m.Rounds.ViewTimeoutMS = 2000, 1000
	}
	f.open4()
	f.calm(5 * time.Minute)
	n := f.all
	f.during(8*time.Minute, map[string][]int{"MurmurLeftOut": {1}},
		func() { f.must(n[1].n.SetLimits(api.Limits{UpMbit: 0.1})) }, func() { f.must(n[1].n.SetLimits(api.Limits{})) })
	f.play(4 * time.Minute)
	f.during(13*time.Minute, map[string][]int{"MurmurUpdatesLost": nil}, func() {
		for range 5 { // three rounds miss them, and two have them
			for _, d := range n[1:] {
				f.close(d)
			}
			f.play(100 * time.Second)
			for _, d := range n[1:] {
				f.open(d)
			}
			f.play(time.Minute)
		}
	}, func() {})
	f.play(22 * time.Minute)
}

// troubled films all the other troubles.
func troubled(f *scenario) {
	f.old[3] = true
	f.change = func(m *manifest.Manifest) { m.Model.Dim, m.Model.HeadDim, m.Model.FFN = 32, 8, 64 }
	f.open4()
	f.calm(8 * time.Minute)
	n, sick := f.all, f.fault(2)
	f.during(10*time.Minute, map[string][]int{"MurmurTrainerDown": {2}, "MurmurTrainerCrashes": {2}},
		func() { sick.broken.Store(true) }, func() { sick.broken.Store(false) })
	f.play(2 * time.Minute)
	f.during(10*time.Minute, map[string][]int{"MurmurDown": {1, 2}, "MurmurFewPeers": {0, 3}},
		func() { f.close(n[1]); f.close(n[2]) }, func() { f.open(n[1]); f.open(n[2]) })
	f.play(5 * time.Minute)
	f.draw()
	f.during(8*time.Minute, map[string][]int{"MurmurAlone": {1}, "MurmurFewPeers": {1}, "MurmurDiverged": {2}},
		func() { f.net.Unplug(1); sick.worse.Store(9) }, func() { f.net.Plug(1); sick.worse.Store(0) })
	f.play(5 * time.Minute)
	f.expect("MurmurVersion", 3, f.now())
	f.close(n[3])
	f.old[3] = false
	f.open(n[3])
	f.play(2 * time.Minute)
	f.during(8*time.Minute, map[string][]int{"MurmurDisk": {0, 1, 2, 3}, "MurmurNoCommit": {0, 1, 2, 3}, "MurmurSwarmStalled": nil},
		func() {
			for _, d := range n[:4] { // nothing can be written where there is no folder
				f.must(os.Rename(payloads(d), payloads(d)+".away"))
				f.must(os.WriteFile(payloads(d), nil, 0o600))
			}
		},
		func() {
			for _, d := range n[:4] {
				f.must(os.Remove(payloads(d)))
				f.must(os.Rename(payloads(d)+".away", payloads(d)))
			}
		})
	f.play(3 * time.Minute)
	var endFlood func()
	f.during(8*time.Minute, map[string][]int{
		"MurmurRefused": {4}, "MurmurGossipDrops": {0, 1, 2, 3}, "MurmurClock": {0}, "MurmurRelayed": {1}, "MurmurUnreachable": {2}, "MurmurModelJumped": nil, "MurmurTwoMachines": {3},
	}, func() {
		f.enter(false)
		endFlood = f.flood(5)
		f.skew[n[0]] = -42
		f.facts[n[1]] = ails(health.Facts{Relayed: 2})
		f.facts[n[2]] = ails(health.Facts{Direct: 2, Unreachable: true})
		f.facts[n[3]] = ails(health.Facts{Direct: 2, Jump: 5e4, JumpHeight: 7, Twice: true})
	}, func() {
		endFlood()
		clear(f.skew)
		clear(f.facts)
		stranger := f.all[4]
		f.close(stranger)
		f.must(founding.Enter(stranger.dir, f.invite))
		f.open(stranger)
	})
	f.play(30 * time.Minute)
}

// draw asks the scenario what the dashboards' panels would show now: all have something to show, but
// for those on devices, on what may be wrong, and on the held-out loss, which takes longer to
// measure than the toys' rounds allow.
func (f *scenario) draw() {
	without := regexp.MustCompile(`murmur_device_|murmur_condition|murmur_heldout|murmur_state_until|ALERTS`)
	boards, err := filepath.Glob("../docs/operate/dashboards/*.json")
	f.must(err)
	for _, file := range boards {
		for _, expr := range promtool.ReadDashboard(f.t, file).Expressions("reading-circle", "node-0") {
			if !without.MatchString(expr) {
				f.asked = append(f.asked, question{"(count(" + expr + ") > bool 0) or vector(0)", f.now(), 1})
			}
		}
	}
}

func payloads(d *daemon) string { return filepath.Join(string(d.dir), "payloads") }

// ails puts what health says of some facts in place of a state's own, for what has no cause on
// simulated links: relays, and routers that let nobody in; and for a jump of the model, which is shown for a day.
func ails(facts health.Facts) func(*api.State) {
	var r health.Registry
	return func(s *api.State) {
		facts.Now = time.Now()
		s.Health = r.Check(facts)
	}
}

// flood joins as a member that says far more than it may, until the returned function is called.
func (f *scenario) flood(i int) func() {
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{9}, ed25519.SeedSize))
	self := proto.PeerOf(key.Public().(ed25519.PublicKey))
	saved, err := f.invite.Enter(f.id, self, nil)
	f.must(err)
	book, err := membership.New(membership.Params{
		Swarm: f.id, Self: self, Keys: []ed25519.PublicKey{f.community.Public().(ed25519.PublicKey)}, Saved: saved,
	})
	f.must(err)
	p := p2p.Params{
		Key: key, Swarm: f.id, Version: "0.1.1", Bootstrap: []string{f.net.Addr(0)}, Members: book,
		Blobs: nothing{}, Sync: nothing{}, Log: slog.New(slog.DiscardHandler),
	}
	f.net.Tune(i)(&p)
	n, err := p2p.New(f.t.Context(), p)
	f.must(err)
	ctx, cancel := context.WithCancel(f.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			_ = n.PublishHeartbeat(ctx, &murmurv1.Heartbeat{
				Swarm: f.id[:], Head: make([]byte, 32), State: "paused", Paused: true, Version: "0.1.1", IntervalMs: 500,
			})
		}
	}()
	return func() {
		cancel()
		<-done
		f.must(n.Close())
	}
}

// nothing is what a flood has to offer.
type nothing struct{}

func (nothing) OpenBlob(proto.ID) (blob.Blob, error) { return nil, os.ErrNotExist }

func (nothing) HandleSync(context.Context, proto.PeerID, *murmurv1.SyncRequest) (*murmurv1.SyncResponse, error) {
	return &murmurv1.SyncResponse{}, nil
}
