package main

import (
	"fmt"
	"strings"

	"github.com/murmurnet/murmur/node"
)

// NetFlags say how a node meets the network.
type NetFlags struct {
	Host      string   `help:"Listen on this address only." placeholder:"IP" env:"MURMUR_HOST"`
	Port      uint16   `help:"Listen on this port; 0 takes a free one." default:"4101" env:"MURMUR_PORT"`
	Bootstrap []string `help:"More addresses of peers, as multiaddrs that end in /p2p/ID." placeholder:"ADDR" env:"MURMUR_BOOTSTRAP"`
	MDNS      bool     `name:"mdns" help:"Look for peers in the local network." default:"true" negatable:"" env:"MURMUR_MDNS"`
	Metrics   string   `help:"Serve metrics for Prometheus at this address; whoever reaches it may read them." placeholder:"HOST:PORT" env:"MURMUR_METRICS"`
	Page      string   `help:"Serve the page at this address, to browsers of this machine; off: nowhere." default:"127.0.0.1:4102" placeholder:"127.0.0.1:PORT" env:"MURMUR_PAGE"`
	Routers   bool     `help:"Have the router open a port, and find ways through those of others." default:"true" negatable:"" env:"MURMUR_ROUTERS"`
}

// params are those of a node that these flags and the directory decide.
func (f NetFlags) params(at DirFlag) (node.Params, error) {
	dir, err := at.existing()
	if err != nil {
		return node.Params{}, err
	}
	if _, err := dir.Swarm(); err != nil {
		return node.Params{}, err
	}
	saved, err := dir.Bootstrap()
	page := f.Page
	if page == "off" {
		page = ""
	}
	return node.Params{
		Dir: dir, Listen: listenAddrs(f.Host, f.Port), Bootstrap: append(saved, f.Bootstrap...), MDNS: f.MDNS,
		Routers: f.Routers && !loopback(f.Host), Metrics: f.Metrics, Page: page,
	}, err
}

func loopback(host string) bool { return strings.HasPrefix(host, "127.") || host == "::1" }

// listenAddrs are QUIC, WebTransport and TCP on one port, so that a user forwards one number.
func listenAddrs(host string, port uint16) []string {
	hosts := []string{"/ip4/0.0.0.0", "/ip6/::"}
	switch {
	case strings.Contains(host, ":"):
		hosts = []string{"/ip6/" + host}
	case host != "":
		hosts = []string{"/ip4/" + host}
	}
	var addrs []string
	for _, h := range hosts {
		addrs = append(addrs, fmt.Sprintf("%s/udp/%d/quic-v1", h, port), fmt.Sprintf("%s/tcp/%d", h, port))
		if port != 0 { // a free port would be another one
			addrs = append(addrs, fmt.Sprintf("%s/udp/%d/quic-v1/webtransport", h, port))
		}
	}
	return addrs
}
