package worker

import "syscall"

// attributes make the kernel kill the child when the daemon is gone, should it not see that stdin has ended.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
