package corpus

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/murmurnet/murmur/trainer/shard"
)

// Report is what a prepare made.
type Report struct {
	Dir string    `json:"dir"`
	Set shard.Set `json:"data"`
	counts
	Copies    uint64 `json:"copies"`              // of held-out texts, left out of training
	Downloads string `json:"downloads,omitempty"` // the folder of what was fetched, of no more use
}

// Table writes the report for people.
func (r Report) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "documents\t%d, %s of text\n", r.Documents, bytesText(int64(r.TextBytes)))
	fmt.Fprintf(w, "to train on\t%d tokens, shards: %d\n", r.Set.Tokens(), len(r.Set.Shards))
	fmt.Fprintf(w, "held out\t%d tokens\n", r.Set.Heldout.Tokens)
	for _, n := range []struct {
		what  string
		count uint64
		first string
	}{
		{"bytes that were not UTF-8 and became U+FFFD", r.Replaced, ""},
		{"documents without text", r.Empty, r.NoKey},
		{"copies of held-out texts that were left out", r.Copies, ""},
		{"lines or files that were passed over", r.Passed, r.Why},
	} {
		if n.count == 0 {
			continue
		}
		fmt.Fprintf(w, "note\t%s: %d", n.what, n.count)
		if n.first != "" {
			fmt.Fprintf(w, "; the first: %s", n.first)
		}
		fmt.Fprintln(w)
	}
	if r.Downloads != "" {
		fmt.Fprintf(w, "note\t%s is no longer needed\n", r.Downloads)
	}
	fmt.Fprintf(w, "list\t%s\n", filepath.Join(r.Dir, shard.SetFile))
	return w.Flush()
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 || f >= 99.5 {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
