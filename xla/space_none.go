//go:build !linux && !darwin

package xla

// freeBytes is not known here: there are no plugins for these systems.
func freeBytes(string) (int64, bool) { return 0, false }
