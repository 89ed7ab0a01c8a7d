//go:build darwin || freebsd || netbsd || openbsd

package worker

import (
	"os"
	"syscall"
)

// takeStdout returns what stdout was; descriptor 1 and os.Stdout are stderr from now on.
func takeStdout() (*os.File, error) {
	fd, err := syscall.Dup(1)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Dup2(2, 1); err != nil {
		return nil, err
	}
	os.Stdout = os.Stderr
	return os.NewFile(uintptr(fd), "control"), nil
}
