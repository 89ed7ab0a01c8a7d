package api

import (
	"net"
	"os"
)

// own lets only this user in, and root: the socket's mode says so too, but a mode can be
// changed, and not every system looks at it.
type own struct{ *net.UnixListener }

// Accept passes over others.
func (l own) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, known := peerUser(c); !known || uid == 0 || uid == os.Getuid() {
			return c, nil
		}
		_ = c.Close()
	}
}
