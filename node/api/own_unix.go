//go:build linux || darwin

package api

import "net"

// peerUser is the user at the other end of a socket.
func peerUser(c *net.UnixConn) (uid int, known bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	_ = raw.Control(func(fd uintptr) { uid, known = userOf(int(fd)) }) // fails when the socket is closed: not known
	return uid, known
}
