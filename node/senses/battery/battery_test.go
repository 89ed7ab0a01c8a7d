package battery

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDischarging(t *testing.T) {
	for _, tc := range []struct {
		name     string
		supplies map[string]map[string]string
		want     bool
	}{
		{name: "none"},
		{"on battery", map[string]map[string]string{"AC": {"type": "Mains", "online": "0"}, "BAT0": {"type": "Battery", "status": "Discharging"}}, true},
		{"a weak charger", map[string]map[string]string{"BAT0": {"type": "Battery", "status": "Discharging"}, "ucsi": {"type": "USB", "online": "1"}}, false},
		{"charging", map[string]map[string]string{"AC": {"type": "Mains", "online": "1"}, "BAT0": {"type": "Battery", "status": "Charging"}}, false},
		{"full", map[string]map[string]string{"BAT0": {"type": "Battery", "status": "Full"}}, false},
		{"the second one", map[string]map[string]string{"BAT0": {"type": "Battery", "status": "Not charging"}, "BAT1": {"type": "Battery", "status": "Discharging"}}, true},
		{"a mouse", map[string]map[string]string{"hid": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, false},
		{"a server's battery backup is USB", map[string]map[string]string{"ups": {"type": "UPS", "status": "Discharging"}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for name, files := range tc.supplies {
				dir := filepath.Join(root, name)
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				for file, text := range files {
					if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := Discharging(root); got != tc.want {
				t.Errorf("discharging is %v", got)
			}
		})
	}
	if Discharging(filepath.Join(t.TempDir(), "absent")) {
		t.Error("a system without power supplies is on battery")
	}
}
