package metrics

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/metrics/promtool"
)

const (
	operate = "../../docs/operate/"
	alerts  = operate + "alerts.yml"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// served are the names of all series that a node may have.
func served() map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(murmur_\w+)`).FindAllString(scrape(full), -1) {
		names[m] = true
	}
	return names
}

// unknown lists what an expression asks for and no node has.
func unknown(expr string) (names []string) {
	have := served()
	for _, name := range regexp.MustCompile(`\bmurmur_\w+`).FindAllString(expr, -1) {
		if !have[name] {
			names = append(names, name)
		}
	}
	return names
}

func dashboards(t *testing.T) map[string]promtool.Dashboard {
	files, err := filepath.Glob(operate + "dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no dashboards", err)
	}
	all := map[string]promtool.Dashboard{}
	for _, f := range files {
		all[f] = promtool.ReadDashboard(t, f)
	}
	return all
}

func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if d.UID == "" || uids[d.UID] || d.Title == "" || d.SchemaVersion < 39 {
				t.Errorf("uid %q, title %q, schema version %d", d.UID, d.Title, d.SchemaVersion)
			}
			uids[d.UID] = true
			if len(d.Templating.List) == 0 || d.Templating.List[0].Type != "datasource" {
				t.Error("its data source cannot be chosen")
			}
			ids, taken := map[int]bool{}, map[[2]int]string{}
			for _, p := range d.Panels {
				if p.ID == 0 || ids[p.ID] {
					t.Errorf("panel %q has the id %d of another", p.Title, p.ID)
				}
				ids[p.ID] = true
				if g := p.GridPos; g.X < 0 || g.X+g.W > 24 || g.W == 0 || g.H == 0 {
					t.Errorf("panel %q lies at %+v", p.Title, g)
				}
				for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
					for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
						if other := taken[[2]int{x, y}]; other != "" {
							t.Fatalf("panel %q lies over %q", p.Title, other)
						}
						taken[[2]int{x, y}] = p.Title
					}
				}
				if p.Type == "row" {
					continue
				}
				if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
					t.Errorf("panel %q lacks something: %+v", p.Title, p)
				}
				for _, q := range p.Targets {
					if q.Datasource.UID != "${datasource}" {
						t.Errorf("panel %q asks another data source", p.Title)
					}
					if names := unknown(q.Expr); len(names) > 0 {
						t.Errorf("panel %q asks for %v, which no node has", p.Title, names)
					}
				}
			}
		})
	}
}

// TestDashboardsParse has promtool parse every expression, as a rule that would record it.
func TestDashboardsParse(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboards\n    rules:\n")
	for _, d := range dashboards(t) {
		for i, expr := range d.Expressions("reading-circle", "node-0") {
			if strings.Contains(expr, "$") {
				t.Errorf("%s: what stands for the $ in %s?", d.Title, expr)
			}
			fmt.Fprintf(&rules, "      - record: panel:%s:%d\n        expr: '%s'\n", strings.ReplaceAll(d.UID, "-", "_"), i, expr)
		}
	}
	file := filepath.Join(t.TempDir(), "dashboards.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool.Run(t, "", "check", "rules", file)
}

func TestAlertRules(t *testing.T) {
	text := read(t, alerts)
	if names := unknown(text); len(names) > 0 {
		t.Errorf("the alerts ask for %v, which no node has", names)
	}
	for _, id := range health.IDs() {
		if !strings.Contains(text, `id="`+id+`"`) {
			t.Errorf("no alert passes on the condition %s", id)
		}
	}
	count := strings.Count(text, "- alert: ")
	for _, part := range []string{"severity: ", "summary: ", "description: ", "action: "} {
		if n := strings.Count(text, part); n != count {
			t.Errorf("%d alerts, and %d times %q", count, n, part)
		}
	}
	promtool.Run(t, "", "check", "rules", alerts)
}

// TestDocumented holds monitoring.md to what a node serves, and to the alerts.
func TestDocumented(t *testing.T) {
	text := read(t, operate+"monitoring.md")
	_, table, _ := strings.Cut(text, "\n## Metrics\n")
	table, _, _ = strings.Cut(table, "Why gossip is dropped")
	told, has := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)").FindAllStringSubmatch(table, -1) {
		told["murmur_"+m[1]] = true
	}
	part := regexp.MustCompile(`^(murmur_round_duration_seconds)_(bucket|sum|count)$`)
	for name := range served() {
		if name = part.ReplaceAllString(name, "$1"); !told[name] {
			t.Errorf("monitoring.md does not tell of %s", name)
		}
		has[name] = true
	}
	for name := range told {
		if !has[name] {
			t.Errorf("monitoring.md tells of %s, which no node has", name)
		}
	}
	_, table, _ = strings.Cut(text, "\n## Alerts\n")
	table, _, _ = strings.Cut(table, "\n## ")
	sources := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (Murmur\w+) \| .* \| ([\w ]+) \|$`).FindAllStringSubmatch(table, -1) {
		sources[m[1]] = m[2]
	}
	from := map[string]string{}
	_, rules, _ := strings.Cut(read(t, alerts), "- alert: ")
	for rule := range strings.SplitSeq(rules, "- alert: ") {
		name, rest, _ := strings.Cut(rule, "\n")
		expr, _, _ := strings.Cut(rest, "annotations:")
		node := strings.Contains(expr, "murmur_condition")
		switch own := regexp.MustCompile(`\bmurmur_\w+`).FindAllString(strings.ReplaceAll(expr, "murmur_condition", ""), -1); {
		case !node:
			from[name] = "Prometheus"
		case len(own) > 0:
			from[name] = "both"
		default:
			from[name] = "the node"
		}
	}
	if !maps.Equal(sources, from) {
		t.Errorf("monitoring.md has the alerts %v, alerts.yml has %v", sources, from)
	}
}
