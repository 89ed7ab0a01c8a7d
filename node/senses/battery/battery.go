// Package battery says whether this machine runs on its battery.
//
// It reads what the system writes down about power supplies and asks nobody else. Where
// there is nothing to read, as on machines without a battery and on systems that it does
// not know, the machine is taken for one with power.
package battery

import (
	"os"
	"path/filepath"
	"strings"
)

// Supplies is where Linux describes its power supplies.
const Supplies = "/sys/class/power_supply"

// Discharging tells whether a battery of the machine is being emptied with no power from
// outside: a weak charger does not count, nor do the batteries of mice and the like.
func Discharging(supplies string) (yes bool) {
	entries, err := os.ReadDir(supplies)
	if err != nil {
		return false
	}
	for _, e := range entries {
		read := func(name string) string {
			b, err := os.ReadFile(filepath.Join(supplies, e.Name(), name))
			if err != nil {
				return ""
			}
			return strings.TrimSpace(string(b))
		}
		switch kind := read("type"); {
		case (kind == "Mains" || kind == "USB") && read("online") == "1":
			return false
		case kind == "Battery" && read("scope") != "Device" && read("status") == "Discharging":
			yes = true
		}
	}
	return yes
}
