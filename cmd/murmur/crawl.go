package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/exchange"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/proto"
)

// CrawlCmd lists who is in the swarm.
type CrawlCmd struct {
	DirFlag
	Bootstrap []string      `help:"More addresses of peers to start from, as multiaddrs that end in /p2p/ID." placeholder:"ADDR" env:"MURMUR_BOOTSTRAP"`
	Timeout   time.Duration `help:"Give up after this time." default:"1m"`
	JSON      bool          `help:"Print one JSON object."`
}

// Run walks the swarm's DHT, under a key that is forgotten afterwards.
func (c *CrawlCmd) Run(ctx context.Context, root *cli) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	addrs := c.Bootstrap
	client := api.NewClient(string(dir))
	defer client.Close()
	if s, err := client.State(ctx); err == nil { // the node here knows the way
		if link, err := p2p.ParseLink(s.Link); err == nil {
			addrs = append(addrs, link.Addrs...)
		}
	}
	found, err := exchange.Crawl(ctx, exchange.CrawlParams{Dir: dir, Addrs: addrs, Version: version, Log: root.log()})
	switch {
	case errors.Is(err, p2p.ErrNobody):
		return fmt.Errorf("no peer of the swarm was reached within %v: start murmur up, or give an address with --bootstrap", c.Timeout)
	case err != nil && len(found) == 0:
		return err
	}
	r := crawled{Peers: []crawledPeer{}, Whole: err == nil}
	for _, p := range found {
		r.Peers = append(r.Peers, crawledPeer{p.ID, p.Agent, p.Path, p.Why, p.Knows, p.Listed})
	}
	return printed(c.JSON, r)
}

// crawled is what a crawl found.
type crawled struct {
	Peers []crawledPeer `json:"peers"`
	Whole bool          `json:"whole"` // the time sufficed
}

type crawledPeer struct {
	ID     proto.PeerID `json:"id"`
	Agent  string       `json:"agent,omitempty"`
	Path   string       `json:"path,omitempty"` // "lan", "direct" or "relayed", as this machine reached it
	Why    string       `json:"why,omitempty"`  // it was not reached
	Knows  int          `json:"knows"`          // peers in its part of the DHT
	Listed bool         `json:"listed"`         // as a member
}

// Table has a line for each peer.
func (c crawled) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PEER\tVERSION\tREACHED\tKNOWS\tLISTED")
	reached, versions := 0, map[string]bool{}
	for _, p := range c.Peers {
		path, listed := p.Path, "yes"
		if path == "" {
			path = "no: " + p.Why
		} else {
			reached, versions[p.Agent] = reached+1, true
		}
		if !p.Listed {
			listed = "no"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", p.ID.Short(), p.Agent, path, p.Knows, listed)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d peers, %d reached, %d versions\n", len(c.Peers), reached, len(versions))
	if err == nil && !c.Whole {
		_, err = fmt.Fprintln(out, "the time was not enough for all; give more with --timeout")
	}
	return err
}
