package promtool

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Dashboard is what a Grafana dashboard's file must have.
type Dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"list"`
	} `json:"templating"`
	Panels []Panel `json:"panels"`
}

// Panel is one of its panels.
type Panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Datasource  Source `json:"datasource"`
	GridPos     struct {
		X, Y, W, H int
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		RefID      string `json:"refId"`
		Expr       string `json:"expr"`
		Datasource Source `json:"datasource"`
	} `json:"targets"`
}

// Source is where a panel's numbers come from.
type Source struct {
	UID string `json:"uid"`
}

// ReadDashboard reads a file.
func ReadDashboard(t testing.TB, path string) (d Dashboard) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Expressions are the PromQL of all panels, for a job and an instance.
func (d Dashboard) Expressions(job, instance string) (exprs []string) {
	fill := strings.NewReplacer("$job", job, "$instance", instance, "$__rate_interval", "1m", "$__range", "1h")
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			exprs = append(exprs, fill.Replace(t.Expr))
		}
	}
	return exprs
}
