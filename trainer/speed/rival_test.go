package speed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A rival is told the model and answers each number of steps; what is no answer is an error that names the program.
func TestRival(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh here to play another framework")
	}
	for _, test := range []struct{ name, script, want string }{
		{"answers", `echo "$1" > "$0.model"; while read n; do echo "${n}5.5"; done`, ""},
		{"babbles", `while read n; do echo soon; done`, `answered "soon"`},
		{"ends", `exit 3`, "ended"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "rival")
			if err := os.WriteFile(path, []byte(test.script), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := newRival(t.Context(), []string{sh, path}, spec("go", Models()[0]))
			if err != nil {
				t.Fatal(err)
			}
			rate, err := r.run(t.Context(), 2)
			closed := r.close()
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %s", err, test.want)
				}
				return
			}
			if err != nil || closed != nil || rate != 25.5 {
				t.Errorf("%g tokens/s, %v, %v", rate, err, closed)
			}
			model, err := os.ReadFile(path + ".model")
			if err != nil || !strings.Contains(string(model), `"dim":128`) || !strings.Contains(string(model), `"batch":8`) {
				t.Errorf("it was told %s, %v", model, err)
			}
		})
	}
	if _, err := newRival(t.Context(), []string{"/nonexistent/python"}, spec("go", Models()[0])); err == nil {
		t.Error("a program that there is not was started")
	}
}
