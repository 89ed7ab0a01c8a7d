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
	// arm64 has no dup2.
	if err := syscall.Dup3(2, 1, 0); err != nil {
		return nil, err
	}
	os.Stdout = os.Stderr
	return os.NewFile(uintptr(fd), "control"), nil
}
