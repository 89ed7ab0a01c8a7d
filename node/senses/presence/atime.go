//go:build linux

package presence

import (
	"io/fs"
	"syscall"
	"time"
)

// accessed is when a file was last read.
func accessed(i fs.FileInfo) time.Time {
	s, ok := i.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(s.Atim.Unix())
}
