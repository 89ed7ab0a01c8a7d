package p2p

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
)

// Link is a join link: which swarm, and where to find a first peer of it.
type Link struct {
	Swarm proto.ID
	Addrs []string // multiaddrs that end in /p2p/ID; may be empty
	// Invite lets its holder in, where the swarm is for members: a secret; "" for none.
	Invite string
	// Checkpoint is a commit of the swarm, by height and id: a newcomer takes no branch
	// without it. Height 0 is none.
	Checkpoint       proto.ID
	CheckpointHeight uint64
}

const (
	linkScheme   = "murmur"
	maxLink      = 8 << 10
	maxLinkAddrs = 16
	linkExample  = "murmur://bafkr4i…?a=/ip4/192.0.2.7/udp/4101/quic-v1/p2p/12D3KooW…"
)

// ParseLink reads a join link as String writes it.
func ParseLink(s string) (Link, error) {
	l, err := parseLink(strings.TrimSpace(s))
	if err != nil {
		return Link{}, fmt.Errorf("join link: %w; a right one looks like %s", err, linkExample)
	}
	return l, nil
}

func parseLink(s string) (Link, error) {
	if len(s) > maxLink {
		return Link{}, fmt.Errorf("%d characters, at most %d are allowed", len(s), maxLink)
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !strings.EqualFold(scheme, linkScheme) {
		return Link{}, fmt.Errorf("%q does not begin with %s://", clip(s), linkScheme)
	}
	swarm, query, _ := strings.Cut(rest, "?")
	swarm = strings.TrimSuffix(swarm, "/")
	if swarm == "" {
		return Link{}, errors.New("the swarm id is missing")
	}
	var l Link
	var err error
	if l.Swarm, err = proto.ParseID(swarm); err != nil || l.Swarm.IsZero() {
		return Link{}, fmt.Errorf("%q is not a swarm id", clip(swarm))
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Link{}, fmt.Errorf("the part after the question mark, %q, is not a=ADDRESS&a=ADDRESS", clip(query))
	}
	for k := range values {
		if k != "a" && k != "i" && k != "c" {
			return Link{}, fmt.Errorf("%q is not known, only a=ADDRESS, i=INVITE and c=CHECKPOINT are", clip(k))
		}
	}
	if c := values.Get("c"); c != "" {
		height, id, _ := strings.Cut(c, ".")
		l.CheckpointHeight, err = strconv.ParseUint(height, 10, 64)
		if err == nil {
			l.Checkpoint, err = proto.ParseID(id)
		}
		if err != nil || l.CheckpointHeight == 0 || l.Checkpoint.IsZero() {
			return Link{}, fmt.Errorf("%q is not a checkpoint HEIGHT.ID; copy the whole link", clip(c))
		}
	}
	if l.Invite = values.Get("i"); l.Invite != "" {
		if _, err := membership.ParseInvite(l.Invite); err != nil {
			return Link{}, err
		}
	}
	if len(values["a"]) > maxLinkAddrs {
		return Link{}, fmt.Errorf("%d addresses, at most %d are allowed", len(values["a"]), maxLinkAddrs)
	}
	for _, a := range values["a"] {
		if _, err := peer.AddrInfoFromString(a); err != nil {
			return Link{}, fmt.Errorf("%q is not an address that ends in /p2p/ID", clip(a))
		}
		l.Addrs = append(l.Addrs, a)
	}
	return l, nil
}

// String writes the link, with at most maxLinkAddrs addresses. Slashes stay as
// they are, so that people can read it.
func (l Link) String() string {
	var b strings.Builder
	b.WriteString(linkScheme + "://" + l.Swarm.String())
	sep := "?a="
	for _, a := range l.Addrs[:min(len(l.Addrs), maxLinkAddrs)] {
		b.WriteString(sep + strings.ReplaceAll(url.QueryEscape(a), "%2F", "/"))
		sep = "&a="
	}
	if l.Invite != "" {
		b.WriteString(sep[:1] + "i=" + l.Invite)
		sep = "&a="
	}
	if l.CheckpointHeight > 0 {
		fmt.Fprintf(&b, "%sc=%d.%s", sep[:1], l.CheckpointHeight, l.Checkpoint)
	}
	return b.String()
}

// clip shortens what a person typed so that an error stays one line.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
