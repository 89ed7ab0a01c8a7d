package xla

import (
	"encoding/hex"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"
	"time"
)

// checkIndexEnv set to 1 compares all pins with the index that MURMUR_XLA_INDEX names, or with [DefaultIndex]:
//
//	MURMUR_CHECK_INDEX=1 go test ./xla -run TestPinsAreInTheIndex -v
const checkIndexEnv = "MURMUR_CHECK_INDEX"

func TestPinsAreSane(t *testing.T) {
	isHash := func(s string) bool {
		b, err := hex.DecodeString(s)
		return err == nil && len(b) == 32 && s == strings.ToLower(s)
	}
	for key, s := range sets() {
		if !strings.HasPrefix(key, s.name+"/") || s.kind == "" || s.version == "" || s.size <= 0 || !isHash(s.sum) {
			t.Errorf("%s: %+v", key, s)
		}
		if got := (config{plugin: "/x/" + path.Base(s.plugin)}).kind(); got != s.kind {
			t.Errorf("%s: its plugin's name says %q", key, got)
		}
		seen := map[string]bool{}
		for _, w := range s.wheels {
			for _, unique := range []string{w.project, w.file, w.sha256} {
				if seen[unique] {
					t.Errorf("%s: %s twice", key, unique)
				}
				seen[unique] = true
			}
			if !isHash(w.sha256) || w.size <= 0 || w.unpacked <= 0 || len(w.take) == 0 {
				t.Errorf("%s: %+v", key, w)
			}
			if prefix := strings.ReplaceAll(w.project, "-", "_") + "-" + w.version + "-"; !strings.HasPrefix(w.file, prefix) || !strings.HasSuffix(w.file, "x86_64.whl") {
				t.Errorf("%s: %s is no wheel of %s %s for x86-64", key, w.file, w.project, w.version)
			}
			for _, take := range w.take {
				if _, err := path.Match(take.from, ""); err != nil {
					t.Errorf("%s: pattern %q: %v", key, take.from, err)
				}
			}
		}
		if last := s.wheels[len(s.wheels)-1]; last.unpacked < s.size {
			t.Errorf("%s: the last wheel, %s, cannot hold the plugin", key, last.file)
		}
	}
	for _, name := range names() {
		if _, ok := sets()[name+"/linux/amd64"]; !ok {
			t.Errorf("%s is not pinned for linux/amd64", name)
		}
	}
	if n := len(sets()); n != len(names()) {
		t.Errorf("%d sets, %d names", n, len(names()))
	}
}

// Every library that the plugins' METADATA names for CUDA is pinned.
func TestPinsAreComplete(t *testing.T) {
	for name, suffix := range map[string]string{"cuda13": "", "cuda12": "-cu12"} {
		var projects []string
		for _, w := range sets()[name+"/linux/amd64"].wheels {
			projects = append(projects, w.project)
		}
		all := " " + strings.Join(projects, " ") + " "
		for _, lib := range []string{"cublas", "cuda-cupti", "cuda-nvcc", "cuda-runtime", "cufft", "cusolver", "cusparse", "nvjitlink", "cuda-nvrtc"} {
			if !strings.Contains(all, " nvidia-"+lib+suffix+" ") {
				t.Errorf("%s lacks %s", name, lib)
			}
		}
		for _, lib := range []string{"cudnn", "nccl", "nvshmem"} {
			if !strings.Contains(all, " nvidia-"+lib+"-cu"+strings.TrimPrefix(name, "cuda")+" ") {
				t.Errorf("%s lacks %s", name, lib)
			}
		}
	}
	if !strings.Contains(sets()["cuda13/linux/amd64"].wheels[12].project, "nvvm") {
		t.Error("cuda13 lacks nvvm, which has libdevice")
	}
}

func TestPinsAreInTheIndex(t *testing.T) {
	if os.Getenv(checkIndexEnv) != "1" {
		t.Skip(checkIndexEnv + " is not 1: no index is asked")
	}
	client := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer client.CloseIdleConnections()
	for key, s := range sets() {
		for _, w := range s.wheels {
			i := installer{set: s, wheel: w, index: os.Getenv("MURMUR_XLA_INDEX"), client: client, stall: stallLimit, pause: time.Second}
			if at, err := i.locate(t.Context()); err != nil {
				t.Errorf("%s: %v", key, err)
			} else {
				t.Logf("%s: %s", w.file, at)
			}
		}
	}
}
