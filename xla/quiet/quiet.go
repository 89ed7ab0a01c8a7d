// Package quiet keeps go-xla from writing a line to standard error before every command where HOME is not set: it looks for plugins in the
// home directory while it is initialised, too early for any setting (findings/go-xla-import-logs.sh).
//
// It guarantees that HOME is as it was once Restore was called. It must import nothing but os: by the language's order a package that is ready is
// initialised by its import path, and so this one before klog, which go-xla waits for.
package quiet

import "os"

// nowhere is a directory that is not there.
const nowhere = "/nonexistent"

var homeless = os.Getenv("HOME") == "" && os.Setenv("HOME", nowhere) == nil

// Restore takes HOME away again where there was none.
func Restore() {
	if homeless {
		_ = os.Unsetenv("HOME") // it fails for a bad name alone
	}
}
