package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/xla"
)

var (
	works   = xla.Status{Config: "xla:cpu", Name: "XLA on CPU", Usable: true, Device: "CPU, 4 threads"}
	plain   = xla.Status{Config: "go", Name: "pure Go", Usable: true, Device: "CPU, 4 threads"}
	noCard  = xla.Status{Config: "xla:cuda", Reason: "no NVIDIA GPU found: neither /dev/nvidia* nor nvidia-smi"}
	missing = xla.Status{Config: "xla:cpu", Reason: "no XLA CPU plugin: murmur xla install cpu gets it"}
)

// sound is a machine where nothing is wrong, with a daemon that works.
func sound() Facts {
	return Facts{
		Version: "1.2.0", Platform: "linux/amd64", Dir: "/home/ada/swarm", Swarm: "reading-circle", Params: 1_000_000,
		Secrets: []Secret{{Name: "identity.key", Mode: 0o600}}, Disk: Disk{Free: 50 << 30, Known: true}, Port: 4101,
		State: &api.State{
			Version: "1.2.0", Why: "training", Reason: "training", Reach: api.Reach{Verdict: "public"},
			Peers:   []api.Peer{{ID: "a", Connected: true}},
			Trainer: api.Trainer{Up: true, Backend: "xla:cpu", Device: "CPU", TokensPerSec: 1000},
			Traffic: api.Traffic{Protocols: map[string]api.Bytes{"/murmur/SWARM/kad/1.0.0": {In: 100}}},
		},
		Backends: []xla.Status{noCard, works, plain}, Clock: ClockSteered, Memory: 8 << 30,
	}
}

func TestSound(t *testing.T) {
	r := Judge(sound())
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.ID)
		if f.Verdict != OK || f.Do != "" {
			t.Errorf("%+v", f)
		}
	}
	if got := strings.Join(ids, " "); got != "version disk swarm identity settings daemon port reach peers dht trainer backend clock memory" {
		t.Error(got)
	}
}

func TestJudge(t *testing.T) {
	alone := func(f *Facts) { f.State.Peers = nil }
	for name, c := range map[string]struct {
		spoil   func(*Facts)
		id      string
		verdict Verdict
		text    string
		do      string
	}{
		"an old daemon":         {func(f *Facts) { f.State.Version = "1.1.0" }, "version", Warning, "still 1.1.0", "restart"},
		"no swarm":              {func(f *Facts) { f.Dir, f.DirErr = "", errors.New("this machine is in no swarm yet") }, "directory", Problem, "in no swarm", "murmur join LINK"},
		"another account's":     {func(f *Facts) { f.DirErr = fmt.Errorf("x: %w", fs.ErrPermission) }, "directory", Problem, "may not use", "sudo -u murmur"},
		"a newer layout":        {func(f *Facts) { f.VersionErr = errors.New("written by a newer murmur") }, "directory", Problem, "newer murmur", "install"},
		"a full disk":           {func(f *Facts) { f.Disk.Free = 1 << 20 }, "disk", Problem, "1.0 MB are left", "make room"},
		"a nearly full disk":    {func(f *Facts) { f.Disk.Free = 500_000_000 }, "disk", Warning, "500 MB are left", "make room"},
		"a network disk":        {func(f *Facts) { f.Disk.Kind = "a network file system (NFS)" }, "disk", Warning, "NFS", "move"},
		"too old for its swarm": {func(f *Facts) { f.ManifestErr = errors.New("needs murmur 2.0.0") }, "swarm", Problem, "needs murmur 2.0.0", "sentence"},
		"an open key":           {func(f *Facts) { f.Secrets[0].Mode = 0o644 }, "identity", Warning, "may read identity.key", "chmod 600"},
		"a damaged key":         {func(f *Facts) { f.Secrets[0].Err = errors.New("holds no key") }, "identity", Problem, "holds no key", "backup"},
		"damaged settings":      {func(f *Facts) { f.Settings = []error{errors.New("limits.json cannot be used")} }, "settings", Problem, "limits.json", "sentence"},
		"no daemon":             {func(f *Facts) { f.State, f.DaemonErr = nil, api.ErrNoDaemon }, "daemon", Warning, "no daemon runs", "murmur up"},
		"a hung daemon":         {func(f *Facts) { f.State, f.DaemonErr = nil, errStuck }, "daemon", Problem, "does not answer", "restart"},
		"a taken port": {func(f *Facts) {
			f.State, f.DaemonErr, f.PortErrs = nil, api.ErrNoDaemon, map[string]error{"TCP": syscall.EADDRINUSE}
		}, "port", Problem, "TCP port 4101 cannot be had", "--port"},
		"behind a router": {func(f *Facts) {
			f.State.Reach = api.Reach{Verdict: "private", Router: map[string]string{"udp": "another port for each peer"}}
		}, "reach", Warning, "the router gives another port", "forward port 4101"},
		"by a relay": {func(f *Facts) { f.State.Reach = api.Reach{Verdict: "private", Relays: []string{"r"}} }, "reach", Warning, "through a relay", "forward port 4101"},
		"alone, with tries": {func(f *Facts) {
			alone(f)
			f.State.Reach.Tried = []api.Attempt{{Addr: "/ip4/192.0.2.7/tcp/4101", Why: "no answer"}}
		}, "peers", Problem, "/ip4/192.0.2.7/tcp/4101: no answer", "firewall"},
		"alone":              {alone, "peers", Problem, "no address", "--bootstrap"},
		"resting":            {func(f *Facts) { alone(f); f.State.Reason, f.State.Why = "quota", "200 GB are used" }, "peers", OK, "as wanted: 200 GB are used", ""},
		"not let in":         {func(f *Facts) { f.State.Reach.Refusal = "no invite" }, "peers", Problem, "no invite", "ask a member"},
		"a silent DHT":       {func(f *Facts) { f.State.Traffic.Protocols = nil }, "dht", Warning, "no member has answered", "by itself"},
		"a crashing trainer": {func(f *Facts) { f.State.Trainer.Restarts = 4 }, "trainer", Warning, "4 times", "murmur events"},
		"no trainer": {func(f *Facts) {
			f.State.Trainer, f.State.Reason, f.State.Why = api.Trainer{}, "no-trainer", "it is out of memory"
		}, "trainer", Warning, "out of memory", "murmur xla"},
		"paused": {func(f *Facts) {
			f.State.Trainer, f.State.Reason, f.State.Why = api.Trainer{}, "paused", "paused by hand"
		}, "trainer", OK, "paused by hand", ""},
		"a condition": {func(f *Facts) {
			f.State.Health = []health.Condition{{ID: "diverged", Severity: health.Problem, Text: "its loss is wrong", Do: "restart the node", Since: time.Now()}}
		}, "diverged", Problem, "its loss is wrong, since", "restart the node"},
		"no plugin":  {func(f *Facts) { f.Backends = []xla.Status{noCard, missing, plain} }, "backend", Warning, "murmur xla install cpu", "murmur xla"},
		"no backend": {func(f *Facts) { f.BackendErr = errors.New("interrupted") }, "backend", Problem, "interrupted", "murmur xla"},
		"a build without XLA": {func(f *Facts) {
			f.Backends = []xla.Status{{Reason: "no XLA here"}, {Reason: "no XLA here"}, plain}
		}, "backend", Warning, "no XLA here", "murmur xla"},
		"a free clock": {func(f *Facts) { f.Clock = ClockFree }, "clock", Warning, "nobody keeps it right", "timedatectl"},
		"little memory": {func(f *Facts) {
			f.Memory, f.State.Trainer = 10_000_000, api.Trainer{}
			f.Fit = fits.Report{Name: "it", Lacks: "memory", Why: "a step takes more"}
		}, "memory", Warning, "10 MB are free, and it does not fit here: a step takes more", "other programs"},
		"little disk alone": {func(f *Facts) {
			f.State.Trainer, f.Fit = api.Trainer{}, fits.Report{Lacks: "disk", Why: "it takes more disk"}
		}, "memory", OK, "are free", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := sound()
			c.spoil(&f)
			r := Judge(f)
			for _, got := range r.Findings {
				if got.ID != c.id {
					continue
				}
				if strings.Count(got.Text, c.text) != 1 || got.Verdict != c.verdict || !strings.Contains(got.Do, c.do) || (got.Do == "") != (c.verdict == OK) {
					t.Errorf("%+v", got)
				}
				if want := c.verdict == Problem; (r.Problems() > 0) != want {
					t.Errorf("%d problems: %+v", r.Problems(), r)
				}
				return
			}
			t.Errorf("nothing is said of %s: %+v", c.id, r)
		})
	}
}
