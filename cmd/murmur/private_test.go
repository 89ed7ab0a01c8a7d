package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/data"
)

// TestPrivateData averages what two nodes learn from texts of their own, an epoch a round. One is paused, sits rounds out,
// and takes part again.
func TestPrivateData(t *testing.T) {
	t.Parallel()
	dirs := newSwarmOf(t, 2, tiny+"[data]\nname = \"private\"\n[method]\nname = \"fedavg\"\nepochs = 1\n")
	if _, stderr, code := output(t, filepath.Dir(dirs[0]), "up", "--dir", dirs[0], "--backend", "go"); code == 0 || !strings.Contains(stderr, "--private-data") {
		t.Errorf("without a folder of texts it ends with %d and says %q", code, stderr)
	}
	folder := func(from, size int) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.txt"), data.Opticks()[from:from+size], 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	a := up(t, dirs[0], "--private-data", folder(0, 1500))
	b := up(t, dirs[1], append(a.bootstrap(), "--private-data", folder(50_000, 700))...)
	both := func(s api.State) bool { return len(s.Round.Last.Included) == 2 }
	s := a.until("both share a round", both)
	if _, err := b.client.Pause(t.Context(), "", true); err != nil {
		t.Fatal(err)
	}
	self := s.Peer
	s = a.until("the other sits out", func(s api.State) bool { return slices.Equal(s.Round.Last.Included, []proto.PeerID{self}) })
	a.height(s.Head.Height + 2)
	if _, err := b.client.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.until("both share a round again", both)
	sameRoots(t, a, b)
	for _, dir := range dirs { // nothing of the texts is on the swarm's side of a node
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if strings.Contains(string(b), string(data.Opticks()[200:300])) || strings.Contains(string(b), string(data.Opticks()[50_200:50_300])) {
				t.Errorf("%s has private text", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
