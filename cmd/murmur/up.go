package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/xla"
)

// UpCmd runs the daemon.
type UpCmd struct {
	DirFlag
	Host      string   `help:"Listen on this address only." placeholder:"IP" env:"MURMUR_HOST"`
	Port      uint16   `help:"Listen on this port; 0 takes a free one." default:"4101" env:"MURMUR_PORT"`
	Bootstrap []string `help:"More addresses of peers, as multiaddrs that end in /p2p/ID." placeholder:"ADDR" env:"MURMUR_BOOTSTRAP"`
	MDNS      bool     `name:"mdns" help:"Look for peers in the local network." default:"true" negatable:"" env:"MURMUR_MDNS"`
	Backend   string   `help:"Train on this backend (default: the best there is; murmur xla shows them)." placeholder:"NAME" env:"MURMUR_BACKEND"`
	Device    []int    `help:"Train on these graphics cards, by number, each with a trainer of its own; they share this node's part and average before it publishes (default: the first)." placeholder:"N" env:"MURMUR_DEVICE"`
	Private   string   `name:"private-data" help:"Train on the text files (*.txt) in this folder, where the swarm's data are private; they never leave this machine." placeholder:"FOLDER" env:"MURMUR_PRIVATE_DATA"`
	DataQuota uint64   `help:"GiB of the swarm's token shards to keep for others and for later, beside those that training needs next; 0: all." default:"20" placeholder:"N" env:"MURMUR_DATA_QUOTA"`
	Yes       bool     `help:"Install the XLA plugin without asking." env:"MURMUR_YES"`
}

// Run works until the process is told to stop.
func (c *UpCmd) Run(ctx context.Context, root *cli) error {
	if err := checkBackend(c.Backend); err != nil {
		return usageError{err}
	}
	dir, err := c.existing()
	if err != nil {
		return err
	}
	if _, err := dir.Swarm(); err != nil {
		return err
	}
	if err := offer(ctx, c.Backend, c.Yes, os.Stderr); err != nil {
		return err
	}
	trainer, err := trainerCommand()
	if err != nil {
		return err
	}
	saved, err := dir.Bootstrap()
	if err != nil {
		return err
	}
	return node.Run(ctx, node.Params{
		Dir: dir, Version: version, Listen: listenAddrs(c.Host, c.Port), Bootstrap: append(saved, c.Bootstrap...),
		MDNS: c.MDNS, Trainer: trainer, Backend: c.Backend, Devices: c.Device, Private: c.Private, DataQuota: c.DataQuota << 30, Log: root.log(),
	})
}

// listenAddrs are QUIC and TCP on one port, so that a user forwards one number.
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
	}
	return addrs
}

// trainerCommand is this program as its own trainer child.
func trainerCommand() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program for the trainer: %w", err)
	}
	return []string{self, "trainer"}, nil
}

// offer installs the XLA plugin if the user agrees.
func offer(ctx context.Context, backend string, yes bool, out *os.File) error {
	return xla.Offer(ctx, xla.OfferParams{
		Params: xla.Params{Want: backend, Probe: xla.SelfProbe()},
		In:     os.Stdin, Out: out, Terminal: isTerminal(os.Stdin) && isTerminal(out), Yes: yes,
		Index: os.Getenv("MURMUR_XLA_INDEX"),
	})
}
