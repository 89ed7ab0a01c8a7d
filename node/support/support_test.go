package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mr-tron/base58"
	"go.uber.org/goleak"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/doctor"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/p2p"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestClean(t *testing.T) {
	const peer, id = "12D3KooWPaN9nN7xNyxigMxH3NJkYZ62QR8jKxcSD55mLukddLdV", "bafkr4ic6rjxr4dgmyiu3axhsnnlsrf4inpsuq5hviauanuu5wxcad7sjia"
	for in, want := range map[string]string{
		"training": "training",
		"round 3: 2 of 3 updates in, closed by dLdV; 5.2 tokens/s at 15:04:05":      "round 3: 2 of 3 updates in, closed by dLdV; 5.2 tokens/s at 15:04:05",
		"/ip4/192.0.2.7/udp/4101/quic-v1/p2p/" + peer:                               "/ip4/ADDRESS/udp/4101/quic-v1/p2p/…" + peer[len(peer)-6:],
		"/ip6/2001:db8::7/tcp/4101: no answer":                                      "/ip6/ADDRESS/tcp/4101: no answer",
		"/ip4/127.0.0.1/tcp/1: nothing listens there":                               "/ip4/127.0.0.1/tcp/1: nothing listens there",
		"/dns4/seed.example.org/tcp/4101 and lookup seed.example.org: no such host": "/dns4/ADDRESS/tcp/4101 and lookup ADDRESS: no such host",
		"dial tcp4 192.0.2.7:4101: connect: refused":                                "dial tcp4 ADDRESS:4101: connect: refused",
		"dial tcp [2001:db8::7]:4101":                                               "dial tcp [ADDRESS]:4101",
		"murmur://" + id + "?a=/ip4/192.0.2.7/tcp/1&i=abc":                          "LINK",
		"/murmur/" + id + "/sync/1":                                                 "/murmur/…" + id[len(id)-8:] + "/sync/1",
		"open /home/ada/My diary/monday.txt: permission denied":                     "open PATH: permission denied",
		"there are no text files (*.txt) in diary of ada":                           "there are no text files PATH",
		"reading diary/monday.txt: gone":                                            "reading PATH: gone",
		"private data: open \\\\nas\\ada: gone":                                     "private data: left out",
		`open C:\Users\ada\x: gone`:                                                 "open PATH: gone",
		"no NVIDIA GPU found: neither /dev/nvidia* nor nvidia-smi":                  "no NVIDIA GPU found: neither /dev/nvidia* nor nvidia-smi",
		"the price at https://ada:word@example.org/price?key=1 is too high":         "the price at URL is too high",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%s\nbecomes %s\nand not %s", in, got, want)
		}
	}
}

// talkative is a daemon that says what it should not.
type talkative struct {
	api.Source
	secrets []string
}

func (d talkative) State() api.State {
	s := api.State{
		Name: "reading-circle", Version: "1.2.0", Link: "murmur://x?i=" + d.secrets[0], Page: "http://127.0.0.1:4102/?token=" + d.secrets[1],
		Why: "cannot publish: open /home/ada/secret-folder/a: full", Trainer: api.Trainer{Steps: 12345},
	}
	s.Reach.Dialled = []string{"/ip4/198.51.100.9/udp/4101/quic-v1"}
	s.Reach.Tried = []api.Attempt{{Addr: "/dns4/seed.example.org/tcp/4101", Why: "no answer from 198.51.100.9"}}
	return s
}

func (d talkative) Events(uint64) []event.Event {
	return []event.Event{{Seq: 1, Text: "private data: open /home/ada/secret-folder: gone"}, {Seq: 2, Text: "started at round 3"}}
}
func (d talkative) Rounds(uint64) []api.Outcome { return []api.Outcome{{Height: 7}} }
func (d talkative) Curve(uint64) []api.Heldout  { return nil }

// directory is a swarm's with everything that is secret.
func directory(t *testing.T) (dir home.Dir, invite string) {
	t.Helper()
	dir = home.Dir(filepath.Join(t.TempDir(), "ada"))
	f := founding.Founding{Manifest: manifest.Default(), InviteOnly: true}
	if _, err := f.Seal(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Found(dir); err != nil {
		t.Fatal(err)
	}
	i, err := founding.Invite(dir, time.Now().Add(time.Hour), 1)
	if err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 32)
	_, _ = rand.Read(old)
	for name, text := range map[string]string{
		"page.token": hex.EncodeToString(old[:16]), "community.key.old": hex.EncodeToString(old) + "\n",
		"diary-of-ada": "a text",
		"peers.json":   `[{"addrs":["/ip4/198.51.100.9/tcp/4101"]}]`, "bootstrap": "/ip4/198.51.100.9/tcp/4101",
	} {
		if err := os.WriteFile(filepath.Join(string(dir), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.SetSettings(policy.Settings{Battery: true, Energy: policy.Energy{Command: []string{"meter", "--key", "Fictional-Secret-9"}, Above: new(float64)}}); err != nil {
		t.Fatal(err)
	}
	return dir, i.String()
}

// TestNoSecrets packs a bundle of a directory full of secrets, with a daemon that tells them, and looks for each in it.
func TestNoSecrets(t *testing.T) {
	dir, invite := directory(t)
	token, err := os.ReadFile(filepath.Join(string(dir), "page.token"))
	if err != nil {
		t.Fatal(err)
	}
	doors := api.New(talkative{secrets: []string{invite, string(token)}})
	if err := doors.Socket(string(dir)); err != nil {
		t.Fatal(err)
	}
	defer doors.Close()
	config := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(config, []byte("port = 4101\nbootstrap = \"/ip4/198.51.100.9/tcp/1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	report := doctor.Report{Findings: []doctor.Finding{{ID: "disk", Text: string(dir) + " can be written to"}}}
	items, err := Gather(t.Context(), Params{Version: "murmur 1.2.0", Dir: dir, Config: config, Report: report, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := Write(&packed, dir, items, time.Now()); err != nil {
		t.Fatal(err)
	}
	all := unpack(t, &packed)

	// Read here by itself, not by Secrets, which may forget one.
	identity, err := dir.Identity()
	if err != nil {
		t.Fatal(err)
	}
	community, err := dir.Community()
	if err != nil {
		t.Fatal(err)
	}
	swarm, err := dir.Swarm()
	if err != nil {
		t.Fatal(err)
	}
	self, err := dir.Peer()
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"the identity": identity, "its seed": identity.Seed(), "the community's key": community, "its community's seed": community.Seed()} {
		for _, form := range []string{
			string(b), hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b),
			base64.URLEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b), base58.Encode(b),
		} {
			if strings.Contains(all, form) {
				t.Errorf("%s is in it", name)
			}
		}
	}
	pem, err := os.ReadFile(filepath.Join(string(dir), "identity.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		strings.Split(string(pem), "\n")[1], invite, string(token), "198.51.100.9", "seed.example.org", "secret-folder", "/ada", "diary-of-ada", "murmur://", "token=",
		swarm.String(), self.String(), p2p.Link{Swarm: swarm}.String(),
	} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in it", secret)
		}
	}
	for _, useful := range []string{"12345", "reading-circle", "started at round 3", "murmur 1.2.0", "identity.key", "port is set", `"battery": true`, "README.txt", `"height": 7`, "another file", "page.token"} {
		if !strings.Contains(all, useful) {
			t.Errorf("%q is not in it", useful)
		}
	}
}

// TestSecretIsNotWritten gives Write what Clean should have taken out.
func TestSecretIsNotWritten(t *testing.T) {
	dir, _ := directory(t)
	community, err := dir.Community()
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{string(community.Seed()), hex.EncodeToString(community.Seed()), base64.URLEncoding.EncodeToString(community.Seed()), base58.Encode(community.Seed())} {
		var out bytes.Buffer
		err := Write(&out, dir, []Item{{Name: "state.json", content: []byte("x" + form + "y")}}, time.Now())
		if err == nil || !strings.Contains(err.Error(), "community.key") || out.Len() > 0 {
			t.Errorf("%v, %d bytes", err, out.Len())
		}
	}
}

func unpack(t *testing.T, r io.Reader) (all string) {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		all += h.Name + "\n" + string(b) + "\n"
	}
}
