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
	fmt.Fprintf(w, "read\t%d documents, %s of text\n", r.Documents, bytesText(int64(r.TextBytes)))
	fmt.Fprintf(w, "to train on\t%d tokens in %d shards\n", r.Set.Tokens(), len(r.Set.Shards))
	fmt.Fprintf(w, "held out\t%d tokens\n", r.Set.Heldout.Tokens)
	for _, n := range []struct {
		count uint64
		what  string
	}{
		{r.Replaced, "bytes were not UTF-8 and became U+FFFD"},
		{r.Empty, "documents were empty"},
		{r.Copies, "copies of texts that are held out were left out"},
	} {
		if n.count > 0 {
			fmt.Fprintf(w, "note\t%d %s\n", n.count, n.what)
		}
	}
	if r.Passed > 0 {
		fmt.Fprintf(w, "note\t%d lines or files were passed over; the first: %s\n", r.Passed, r.Why)
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
