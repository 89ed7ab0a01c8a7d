package worker

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrKilledForMemory says that the system killed a child because memory ran out.
var ErrKilledForMemory = errors.New("the trainer was killed by the system because memory ran out")

// ending says in a sentence why a child ended that nobody here ended. last is the end of its stderr; starved says that the system killed
// processes for memory while it lived.
func ending(state *os.ProcessState, waited error, last string, starved bool) error {
	if last != "" {
		last = ": " + last
	}
	if state == nil {
		return fmt.Errorf("the trainer was lost: %w%s", waited, last)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		if starved && status.Signal() == syscall.SIGKILL {
			return ErrKilledForMemory
		}
		return fmt.Errorf("the trainer %s%s", bySignal(status.Signal()), last)
	}
	return fmt.Errorf("the trainer ended by itself (%s)%s", state, last)
}

func bySignal(s syscall.Signal) string {
	switch s {
	case syscall.SIGKILL:
		return "was killed (SIGKILL): by somebody, or by the system because memory ran out"
	case syscall.SIGSEGV:
		return "crashed (SIGSEGV, a bad memory access)"
	case syscall.SIGBUS:
		return "crashed (SIGBUS: a disk that ran full, or a bad memory access)"
	case syscall.SIGABRT:
		return "crashed (SIGABRT, a library gave up)"
	case syscall.SIGILL:
		return "crashed (SIGILL: it was built for another processor)"
	case syscall.SIGFPE:
		return "crashed (SIGFPE, a division by zero)"
	}
	return fmt.Sprintf("was ended by signal %d (%s)", int(s), s)
}
