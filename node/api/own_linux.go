package api

import "golang.org/x/sys/unix"

func userOf(socket int) (uid int, known bool) {
	cred, err := unix.GetsockoptUcred(socket, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, false
	}
	return int(cred.Uid), true
}
