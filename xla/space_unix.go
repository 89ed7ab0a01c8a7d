//go:build linux || darwin

package xla

import "syscall"

// freeBytes is the room that is left for this user where dir lies.
func freeBytes(dir string) (int64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
