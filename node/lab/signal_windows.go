package lab

import (
	"errors"
	"os"
	"os/exec"
)

// terminate ends a process at once: Windows has no SIGTERM to send.
var terminate = os.Kill

func detach(*exec.Cmd) {}

var errNoSignals = errors.New("Windows cannot stop a process and let it go on")

func (d *daemon) freeze() error { return errNoSignals }

func (d *daemon) thaw() error { return errNoSignals }
