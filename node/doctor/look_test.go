package doctor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/xla"
)

func TestLook(t *testing.T) {
	dir := home.Dir(t.TempDir())
	raw, _, err := manifest.Default().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := founding.Found(dir, raw); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	before, err := os.ReadDir(string(dir))
	if err != nil {
		t.Fatal(err)
	}
	look := func() Facts {
		return Look(t.Context(), Params{
			Version: "9.9.9", Dir: dir, Port: uint16(taken.Addr().(*net.TCPAddr).Port),
			Survey: func(context.Context) ([]xla.Status, error) { return []xla.Status{works}, nil },
		})
	}
	f := look()
	if f.DirErr != nil || f.ManifestErr != nil || f.VersionErr != nil || len(f.Settings) > 0 || f.Swarm != "opticks" || f.Params == 0 || len(f.Secrets) != 1 {
		t.Errorf("%+v", f)
	}
	if f.PortErrs["TCP"] == nil {
		t.Error("the port is taken, and it says that it is free")
	}
	if runtime.GOOS == "linux" && (f.Memory == 0 || !f.Disk.Known || f.Disk.Free == 0) {
		t.Errorf("nothing is known of the machine: %+v", f)
	}
	if after, err := os.ReadDir(string(dir)); err != nil || len(after) != len(before) {
		t.Errorf("it left something: %v, %v", after, err)
	}
	for name, content := range map[string]string{"limits.json": "{", "policy.json": "{", "version": "7\n", "identity.key": "x"} {
		if err := os.WriteFile(filepath.Join(string(dir), name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if f = look(); len(f.Settings) != 2 || f.VersionErr == nil || f.Secrets[0].Err == nil {
		t.Errorf("%+v", f)
	}
}

func TestPortOf(t *testing.T) {
	for addr, want := range map[string]uint16{
		"/ip4/192.0.2.7/udp/5000/quic-v1/p2p/12D3KooW": 5000, "/ip6/2001:db8::7/tcp/5001": 5001, "/ip4/192.0.2.7": 4101, "": 4101,
	} {
		if got := portOf([]string{addr}, 4101); got != want {
			t.Errorf("%q: %d", addr, got)
		}
	}
}
