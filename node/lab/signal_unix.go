//go:build unix

package lab

import (
	"os/exec"
	"syscall"
)

const terminate = syscall.SIGTERM

// detach keeps a terminal's interrupt from the daemon, so that the lab decides
// when it ends. A lab that is killed leaves running what its user can see with
// ps and stop by SIGTERM.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// freeze stops the daemon and its trainer in their tracks, as a laptop's lid does.
func (d *daemon) freeze() error {
	d.frozen = true
	return syscall.Kill(-d.cmd.Process.Pid, syscall.SIGSTOP)
}

// thaw lets them go on.
func (d *daemon) thaw() error {
	d.frozen = false
	return syscall.Kill(-d.cmd.Process.Pid, syscall.SIGCONT)
}
