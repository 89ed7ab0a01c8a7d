//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd

package worker

import "os"

// takeStdout returns what stdout was; os.Stdout is stderr from now on. C code that prints keeps the old one: the daemon
// takes lines that are no JSON objects for its noise.
func takeStdout() (*os.File, error) {
	out := os.Stdout
	os.Stdout = os.Stderr
	return out, nil
}
