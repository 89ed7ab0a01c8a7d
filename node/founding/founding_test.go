package founding_test

import (
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/manifest"
)

// TestHeadsDivideDim refuses a new model that nothing else would load once it is exported.
func TestHeadsDivideDim(t *testing.T) {
	for heads, ok := range map[int]bool{4: true, 5: false} {
		m := manifest.Default()
		m.Name, m.Model.Dim, m.Model.Heads, m.Model.KVHeads, m.Model.HeadDim = "heads", 64, heads, heads, 16
		f := founding.Founding{Manifest: m}
		_, err := f.Seal()
		if ok && err != nil || !ok && (err == nil || !strings.Contains(err.Error(), "model.dim is 64, which model.heads, 5, does not divide")) {
			t.Errorf("%d heads: %v", heads, err)
		}
	}
}
