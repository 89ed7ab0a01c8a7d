package support

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/doctor"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
)

// Bounds of what is packed.
const (
	maxFiles   = 2000 // of the directory are listed
	maxConfig  = 64 << 10
	askTimeout = 10 * time.Second
)

// Params say what to pack.
type Params struct {
	Version string // of this program, in a line
	Dir     home.Dir
	Config  string // the settings file, which need not be there
	Report  doctor.Report
	Now     time.Time
}

// Item is a file of the bundle.
type Item struct {
	Name    string
	What    string
	content []byte
}

// Gather reads what is to be packed and cleans it.
func Gather(ctx context.Context, p Params) (items []Item, err error) {
	add := func(name, what string, v any) {
		b, bad := json.Marshal(v)
		if bad == nil {
			b, bad = CleanJSON(b)
		}
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("packing %s: %w", name, bad))
			return
		}
		items = append(items, Item{name, what, append(b, '\n')})
	}
	items = append(items, Item{"version.txt", "this program", []byte(p.Version + "\n")})
	add("doctor.json", "what murmur doctor says", p.Report)
	why := live(ctx, p.Dir, add)
	if raw, err := p.Dir.Manifest(); err == nil {
		if m, _, err := manifest.Decode(raw); err == nil {
			add("swarm.json", "the swarm's model, method and rounds", map[string]any{
				"min_version": m.MinVersion, "model": m.Model, "method": m.Method, "inner": m.Inner, "rounds": m.Rounds, "data": m.Data.Name,
			})
		}
	}
	for _, f := range []Item{{Name: "policy.json", What: "pauses and hours"}, {Name: "limits.json", What: "limits of the line"}, {Name: "usage.json", What: "what crossed the line this month"}} {
		var v any
		b, bad := os.ReadFile(filepath.Join(string(p.Dir), f.Name))
		if bad == nil {
			bad = json.Unmarshal(b, &v)
		}
		switch {
		case errors.Is(bad, fs.ErrNotExist):
		case bad != nil || len(b) > maxConfig:
			items = append(items, Item{f.Name, f.What + ", which cannot be read", []byte(leftOut + "\n")})
		default:
			add(f.Name, f.What, v)
		}
	}
	if b, err := os.ReadFile(p.Config); err == nil && len(b) <= maxConfig {
		items = append(items, Item{"config.txt", "the keys of config.toml", keys(b)})
	}
	items = append(items, Item{"files.txt", "sizes and times of the files in the swarm's directory", list(string(p.Dir))})
	return append([]Item{{"README.txt", "this list", readme(items, why, p.Now)}}, items...), err
}

// live adds what a running daemon knows, and says why it could not.
func live(ctx context.Context, dir home.Dir, add func(name, what string, v any)) (why error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c := api.NewClient(string(dir))
	defer c.Close()
	s, err := c.State(ctx)
	if err != nil {
		return err
	}
	add("state.json", "what the daemon shows of itself and of its peers", s)
	if es, err := c.Events(ctx, 0); err == nil {
		add("events.json", "the newest events", es)
	}
	if rs, err := c.Rounds(ctx, 0); err == nil {
		add("rounds.json", "how the newest rounds went", rs)
	}
	if hs, err := c.Curve(ctx, 0); err == nil {
		add("curve.json", "the swarm's held-out losses", hs)
	}
	return nil
}

// keys are the names that a settings file sets, without their values.
func keys(b []byte) []byte {
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			fmt.Fprintf(&out, "%s is set\n", Clean(strings.TrimSpace(name)))
		}
	}
	return []byte(out.String())
}

// own are the names that murmur gives in a swarm's directory; what a person puts beside them has no name in the list.
var own = regexp.MustCompile(`^(payloads|states|files)/|^(bootstrap|lock|pid|swarm|version)$|^[a-z]+\.(db|json|key|key\.old|pb|sock|state|tmp|token)$`)

// list has a line for each file of a directory.
func list(dir string) []byte {
	var out strings.Builder
	n := 0
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // it is gone
		}
		if n++; n > maxFiles {
			return fs.SkipAll
		}
		if info, err := e.Info(); err == nil {
			name, _ := filepath.Rel(dir, path)
			if name = filepath.ToSlash(name); !own.MatchString(name) {
				name = "another file"
			}
			fmt.Fprintf(&out, "%12d  %s  %s\n", info.Size(), info.ModTime().UTC().Format(time.DateTime), Clean(name))
		}
		return nil
	})
	return []byte(out.String())
}

func readme(items []Item, why error, now time.Time) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "Packed by murmur support at %s. Nothing was sent anywhere.\n\n", now.UTC().Format(time.DateTime+" UTC"))
	for _, i := range items {
		fmt.Fprintf(&out, "%-12s  %s\n", i.Name, i.What)
	}
	if why != nil {
		fmt.Fprintf(&out, "\nWhat a daemon knows is not here: %s\n", Clean(why.Error()))
	}
	out.WriteString("\nLeft out: keys, invites, tokens, texts, models, paths, addresses, and all but the end of peers' and swarms' names.\n" +
		"Logs are not here either: journalctl -u murmur shows them, with addresses; look at them before you send any.\n")
	return []byte(out.String())
}

// Write packs items as a tar.gz, unless one of them holds a secret of the directory.
func Write(w io.Writer, dir home.Dir, items []Item, now time.Time) error {
	secrets, err := Secrets(dir)
	if err != nil {
		return err
	}
	for _, i := range items {
		for _, s := range secrets {
			if s.In(i.content) {
				return fmt.Errorf("%s would hold what is in %s: nothing is written; please report this", i.Name, s.File)
			}
		}
	}
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, i := range items {
		h := &tar.Header{Name: "murmur-support/" + i.Name, Mode: 0o600, Size: int64(len(i.content)), ModTime: now}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(i.content); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}
