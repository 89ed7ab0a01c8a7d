//go:build !linux

package worker

import "syscall"

// attributes are none: the child sees that stdin has ended.
func attributes() *syscall.SysProcAttr { return nil }
