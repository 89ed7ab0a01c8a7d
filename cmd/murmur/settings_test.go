package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/alecthomas/kong"
)

// parsed is the command line as it stands with the settings of a file.
func parsed(t *testing.T, file string, args ...string) cli {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var c cli
	resolver := &settings{}
	p, err := kong.New(&c, kong.Resolvers(resolver))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parse(append(args, "--config", path)); err != nil || resolver.err != nil {
		t.Fatal(err, resolver.err)
	}
	return c
}

// Every long flag of murmur up can stand in config.toml; a flag or a variable goes before it.
func TestSettingsFile(t *testing.T) {
	const file = `
anyway = true
backend = "go"
bootstrap = ["/ip4/192.0.2.1/udp/4101/quic-v1/p2p/12D3KooWA", "/ip4/192.0.2.2/udp/4101/quic-v1/p2p/12D3KooWB"]
data-quota = 7
device = [1, 3]
dir = "/srv/swarm"
host = "192.0.2.9"
log-level = "debug"
mdns = false
metrics = "127.0.0.1:9100"
page = "off"
port = 4201
private-data = "/srv/texts"
routers = false
yes = true
`
	t.Setenv("MURMUR_METRICS", "127.0.0.1:9200")
	got := parsed(t, file, "up", "--host", "192.0.2.10")
	want := UpCmd{
		DirFlag: DirFlag{Dir: "/srv/swarm"},
		NetFlags: NetFlags{
			Host: "192.0.2.10", Port: 4201, Metrics: "127.0.0.1:9200", Page: "off",
			Bootstrap: []string{"/ip4/192.0.2.1/udp/4101/quic-v1/p2p/12D3KooWA", "/ip4/192.0.2.2/udp/4101/quic-v1/p2p/12D3KooWB"},
		},
		Backend: "go", Device: []int{1, 3}, Private: "/srv/texts", DataQuota: 7, Yes: true, Anyway: true,
	}
	if !reflect.DeepEqual(got.Up, want) || got.LogLevel.String() != "DEBUG" {
		t.Errorf("log level %v, and of murmur up %+v, want %+v", got.LogLevel, got.Up, want)
	}
}
