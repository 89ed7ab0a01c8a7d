package support

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
)

// What Clean puts in the place of what it takes out.
const (
	anAddress = "ADDRESS"
	aPath     = "PATH"
	leftOut   = "left out"
)

var (
	links  = regexp.MustCompile(`(?i)murmur://\S+`)
	urls   = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"']+`)
	names  = regexp.MustCompile(`/(dns|dns4|dns6|dnsaddr|ip6zone)/[^/\s"';,]+|\blookup [^\s:]+`)
	ipv4   = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ipv6   = regexp.MustCompile(`(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}`)
	peers  = regexp.MustCompile(`\b(?:12D3KooW|Qm)[1-9A-HJ-NP-Za-km-z]{38,}`)
	ids    = regexp.MustCompile(`\bb[a-z2-7]{50,}`)
	certs  = regexp.MustCompile(`/certhash/[^/\s"']+`)
	texts  = regexp.MustCompile(`\(\*\.txt\) in .*|[^\s"':]*\.txt\b`)
	paths  = regexp.MustCompile(`(^|[\s"'=(])(/[^:"'();,]+|~/[^:"'();,]+|[A-Za-z]:\\[^:"'();,]+)`)
	public = regexp.MustCompile(`^/(ip4|ip6|dns4?|dns6|dnsaddr|p2p|murmur|meshsub|floodsub|ipfs|libp2p|dev|proc|sys|usr|opt|etc|lib)(/|$)`)
	// hidden are the keys whose values are a person's own.
	hidden = regexp.MustCompile(`(?i)^(link|page|token|key|secret|password|command|url|source_url|header|folder|file|path|dir|dirs)s?$|_(token|key|secret|url|command|file|folder|path|dir)$`)
)

// Clean writes a sentence without what tells where a machine is, whose it is and what lies on it. Peers and hashes keep
// their last characters, so that one can be told from another.
func Clean(s string) string {
	if before, _, ok := strings.Cut(s, "private data: "); ok {
		s = before + "private data: " + leftOut
	}
	s = links.ReplaceAllString(s, "LINK")
	s = urls.ReplaceAllString(s, "URL")
	s = names.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasPrefix(m, "lookup ") {
			return "lookup " + anAddress
		}
		return m[:strings.LastIndex(m, "/")+1] + anAddress
	})
	s = texts.ReplaceAllString(s, aPath)
	s = peers.ReplaceAllStringFunc(s, func(m string) string { return "…" + m[len(m)-6:] })
	s = ids.ReplaceAllStringFunc(s, func(m string) string { return "…" + m[len(m)-8:] })
	s = certs.ReplaceAllString(s, "/certhash/…")
	s = ipv4.ReplaceAllStringFunc(s, address)
	s = ipv6.ReplaceAllStringFunc(s, address)
	return paths.ReplaceAllStringFunc(s, func(m string) string {
		i := strings.IndexAny(m, "/~\\")
		if i > 0 && m[i] == '\\' {
			i -= 2 // the drive
		}
		if public.MatchString(m[i:]) {
			return m
		}
		return m[:i] + aPath
	})
}

// address leaves those that every machine has.
func address(m string) string {
	a, err := netip.ParseAddr(m)
	if err != nil || a.IsLoopback() || a.IsUnspecified() {
		return m
	}
	return anAddress
}

// CleanJSON writes JSON with its strings clean, and without those that are a person's own by their key.
func CleanJSON(b []byte) ([]byte, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.MarshalIndent(walk(v), "", "  ")
}

func walk(v any) any {
	switch v := v.(type) {
	case string:
		return Clean(v)
	case []any:
		for i := range v {
			v[i] = walk(v[i])
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if hidden.MatchString(k) && !empty(e) {
				e = leftOut
			}
			out[Clean(k)] = walk(e)
		}
		return out
	default:
		return v
	}
}

// empty tells whether a value says nothing that could be hidden.
func empty(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return true
	}
}
