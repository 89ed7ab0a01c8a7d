package node

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/web"
)

// servePage opens the page to browsers of this machine. Where its port is taken, as by another
// swarm's node, it takes a free one: murmur page tells which. The node works without a page, too.
func (n *Node) servePage(doors *api.API) error {
	if n.p.Page == "" {
		return nil
	}
	token, err := api.PageToken(string(n.p.Dir))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", n.p.Page)
	if err != nil {
		n.log.Warn("The page's address cannot be had; trying a free port", "error", err)
		// The program that has the address may have read the token from an open page meanwhile.
		if token, err = api.DrawPageToken(string(n.p.Dir)); err != nil {
			return err
		}
		l, err = net.Listen("tcp", net.JoinHostPort(netip.MustParseAddrPort(n.p.Page).Addr().String(), "0"))
	}
	if err != nil {
		n.log.Warn("The page is not served", "error", err)
		return nil
	}
	n.page = "http://" + l.Addr().String() + "/"
	n.log.Info("The page is served to this machine; murmur page prints the link that opens it", "url", n.page)
	doors.Page(api.PageParams{Listener: l, Token: token, Assets: web.Handler()})
	return nil
}

// pageAddr checks where the page is to be served.
func pageAddr(s string) error {
	if s == "" {
		return nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || !a.Addr().IsLoopback() {
		return fmt.Errorf("the page cannot be served at %q: it is for this machine alone, so give 127.0.0.1:PORT; from elsewhere come through an ssh tunnel", s)
	}
	return nil
}
