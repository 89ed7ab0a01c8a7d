package peerbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

// MaxPeers is how many peers are remembered, in memory and on disk.
const MaxPeers = 256

const (
	maxPeerAddrs = 16 // addresses of one peer
	maxTold      = 8  // of these that others told, which come last
	// Of a longer address nobody is in need, and all peers' together must fit into a file that is read again: one of 8 KB would be 72 KB as text.
	maxAddr = 320 // bytes of an address in the file, where one of a name takes up to six
	maxFile = 2 << 20
	// At most maxFresh dials at once go to peers that were never reached, of which anybody can tell: one that does not
	// answer takes one of p2p's eight places for ten seconds.
	maxFresh = 6
	// Pauses between dials grow from firstRetry. They grow to retryRecent for a peer
	// that was connected in the last ten minutes, and for every peer while nobody is
	// connected; to retryFixed for an address that the operator wrote down; for all
	// others to retryEach times the number of absent peers, which is one dial in five
	// seconds. A dial in vain costs 6 KB, and small swarms find each other within
	// seconds after a long cut.
	recent       = 10 * time.Minute
	firstRetry   = 500 * time.Millisecond
	retryRecent  = 5 * time.Second
	retryFixed   = 30 * time.Second
	retryEach    = 5 * time.Second // share of one absent peer in the longest pause
	retryForeign = 5 * time.Minute
	// A peer counts as lost after lostFailures dials in vain. Peers lost within lostTogether
	// count as lost by one cut, for libp2p notices a cut's losses over 36 s.
	lostFailures = 3
	lostTogether = time.Minute
)

// Params is what Peers are made from.
type Params struct {
	Self      peer.ID  // this node, which is never remembered
	Bootstrap []string // multiaddrs that end in /p2p/ID: peers that the operator named
	File      string   // where reached peers are kept between starts; "" = nowhere
	Log       *slog.Logger
	Known     func(peer.ID) bool // who takes part in the swarm's rounds, and stays where there are too many; nil: nobody
}

// Validate says what is missing or wrong, in one line.
func (p Params) Validate() error {
	switch {
	case p.Self == "":
		return errors.New("no id of this node")
	case p.Log == nil:
		return errors.New("no logger")
	}
	for _, a := range p.Bootstrap {
		if _, err := peer.AddrInfoFromString(a); err != nil {
			return fmt.Errorf("bootstrap address %q is not a multiaddr that ends in /p2p/ID: %w", a, err)
		}
	}
	return nil
}

// Peers is the peers that a node knows, with when to dial them again.
type Peers struct {
	self  peer.ID
	file  string
	known func(peer.ID) bool

	mu    sync.Mutex
	peers map[peer.ID]*known
	dirty bool
}

type known struct {
	addrs    []multiaddr.Multiaddr // where it was reached, or says that it listens
	told     []multiaddr.Multiaddr // what others say
	fixed    []multiaddr.Multiaddr // addresses of Params.Bootstrap
	seen     time.Time             // end of the last connection, or its beginning; zero = never
	failures int
	tried    time.Time
	dialing  bool
	foreign  bool // whether the peer was reached and is not of this swarm, or does not let this node in
	attempts []Attempt
}

// Attempt is the last try to reach a peer at an address, which came to nothing.
type Attempt struct {
	Addr string
	Why  string // reason of the failure, in words
	At   time.Time
}

// entry is one peer in the file.
type entry struct {
	ID    peer.ID   `json:"id"`    // the peer's id
	Addrs []string  `json:"addrs"` // multiaddrs at which the peer was reached
	Seen  time.Time `json:"seen"`  // when the peer was reached last
}

// New reads the file and adds the peers that the operator named.
func New(p Params) (*Peers, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("peer book parameters: %w", err)
	}
	b := &Peers{self: p.Self, file: p.File, known: p.Known, peers: make(map[peer.ID]*known)}
	if b.known == nil {
		b.known = func(peer.ID) bool { return false }
	}
	if err := b.load(); err != nil {
		p.Log.Warn("The file of known peers is not readable and will be written anew", "file", p.File, "error", err)
	}
	for _, s := range p.Bootstrap {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return nil, err
		}
		if info.ID == p.Self {
			continue
		}
		k := b.peers[info.ID]
		if k == nil {
			k = new(known)
			b.peers[info.ID] = k
		}
		k.fixed = append(k.fixed, info.Addrs...)
	}
	return b, nil
}

func (b *Peers) load() error {
	if b.file == "" {
		return nil
	}
	st, err := os.Stat(b.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.Size() > maxFile {
		return errors.New("it is too large")
	}
	raw, err := os.ReadFile(b.file)
	if err != nil {
		return err
	}
	var entries []entry
	if err := json.Unmarshal(raw, &entries); err != nil {
		return err
	}
	now := time.Now()
	for _, e := range entries[:min(len(entries), MaxPeers)] {
		// The clock may have been wrong when that was written, or is now: nobody
		// was seen in the future, and what counts from here on is elapsed time.
		k := &known{seen: now.Add(-max(0, now.Sub(e.Seen)))}
		for _, s := range e.Addrs[:min(len(e.Addrs), maxPeerAddrs)] {
			if a, err := multiaddr.NewMultiaddr(s); err == nil {
				k.addrs = append(k.addrs, a)
			}
		}
		if e.ID.Validate() == nil && e.ID != b.self && len(k.addrs) > 0 {
			b.peers[e.ID] = k
		}
	}
	return nil
}

// Addrs lists the addresses of the peers in a file, each ending in /p2p/ID, the peer
// that was connected last first.
func Addrs(file string) (addrs []string) {
	b := &Peers{file: file, peers: map[peer.ID]*known{}}
	if err := b.load(); err != nil {
		return nil // as New does
	}
	ids := slices.SortedFunc(maps.Keys(b.peers), func(x, y peer.ID) int { return b.peers[y].seen.Compare(b.peers[x].seen) })
	for _, id := range ids {
		as, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: id, Addrs: b.peers[id].addrs})
		for _, a := range as {
			if err == nil {
				addrs = append(addrs, a.String())
			}
		}
	}
	return addrs
}

// Save writes the peers that were ever reached, when something changed.
func (b *Peers) Save() error {
	b.mu.Lock()
	dirty := b.dirty
	b.dirty = false
	var entries []entry
	for id, k := range b.peers {
		if k.seen.IsZero() || len(k.addrs) == 0 {
			continue
		}
		e := entry{ID: id, Seen: k.seen.UTC().Truncate(time.Second)}
		for _, a := range k.addrs {
			e.Addrs = append(e.Addrs, a.String())
		}
		entries = append(entries, e)
	}
	b.mu.Unlock()
	if b.file == "" || !dirty {
		return nil
	}
	slices.SortFunc(entries, func(x, y entry) int { return y.Seen.Compare(x.Seen) })
	raw, err := json.MarshalIndent(entries, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(b.file, raw, 0o600)
}

// all is where a peer may be found, what is known of it first: whoever tells of a peer can lie.
func (k *known) all() []multiaddr.Multiaddr {
	own := Merge(k.fixed, k.addrs)
	return Merge(own[:min(len(own), maxPeerAddrs-len(k.told))], k.told)
}

// fresh says that nothing but others' word speaks for the peer.
func (k *known) fresh() bool { return k.seen.IsZero() && len(k.fixed) == 0 }

// Learn remembers addresses of a peer that others told.
func (b *Peers) Learn(info peer.AddrInfo) {
	if info.ID == b.self || len(info.Addrs) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.get(info.ID)
	if k.seen.IsZero() || k.failures > 0 { // what a peer says itself is better
		k.told = Merge(info.Addrs, k.told)
		k.told = k.told[:min(len(k.told), maxTold)]
	}
}

// Met notes that a peer is connected, and the addresses that it listens on.
func (b *Peers) Met(id peer.ID, addrs []multiaddr.Multiaddr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.get(id)
	if k.failures >= lostFailures && !k.seen.IsZero() {
		b.retryAll(k.seen.Add(-lostTogether))
	}
	k.seen, k.failures, k.foreign, k.attempts, b.dirty = time.Now(), 0, false, nil, true
	if len(addrs) > 0 {
		k.addrs, k.told = Merge(addrs, nil), nil
	}
}

// retryAll clears the pause of every peer lost since then: if one came back after a
// network cut, the others probably did too.
func (b *Peers) retryAll(since time.Time) {
	for _, k := range b.peers {
		if k.failures > 0 && !k.foreign && !k.seen.Before(since) {
			k.failures, k.tried = 0, time.Time{}
		}
	}
}

// Left notes that the connection to a peer has ended.
func (b *Peers) Left(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil && !k.foreign {
		k.seen, k.failures, k.tried, b.dirty = time.Now(), 0, time.Now(), true
	}
}

// Reached notes that a dial has succeeded.
func (b *Peers) Reached(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil {
		k.dialing, k.tried = false, time.Now()
		if !k.foreign {
			k.attempts = nil
		}
	}
}

// Failed notes that a dial has failed, and what was tried.
func (b *Peers) Failed(id peer.ID, attempts []Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil {
		k.dialing, k.tried = false, time.Now()
		k.failures++
		k.attempts = attempts
	}
}

// Drop forgets a peer that turned out not to be of this swarm, and tells whether it is one that the operator named and
// that was not dropped before: such a peer stays with this attempt, to be tried again later.
func (b *Peers) Drop(id peer.ID, last Attempt) (named bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil && len(k.fixed) > 0 {
		named = !k.foreign
		k.foreign, k.failures, k.attempts = true, 16, []Attempt{last}
		return named
	}
	delete(b.peers, id)
	return false
}

// Shut notes that a peer does not let this node in: it is dialled again every five minutes.
func (b *Peers) Shut(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil {
		k.foreign, k.failures, k.tried = true, 16, time.Now()
	}
}

// Due returns at most limit peers to dial now and marks them: those that were reached before or that the operator named
// ahead of others, of whom maxFresh are dialled at once.
func (b *Peers) Due(now time.Time, limit int, connected func(peer.ID) bool, alone bool) []peer.AddrInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	absent, places := 0, maxFresh
	for id, k := range b.peers {
		if !connected(id) {
			absent++
		}
		if k.dialing && k.fresh() {
			places--
		}
	}
	var due, fresh []peer.ID
	for id, k := range b.peers {
		switch {
		case k.dialing || connected(id) || now.Before(k.tried.Add(k.wait(now, alone, absent))):
		case k.fresh():
			fresh = append(fresh, id)
		default:
			due = append(due, id)
		}
	}
	due = append(due, fresh[:min(len(fresh), places)]...)
	var out []peer.AddrInfo
	for _, id := range due[:min(len(due), limit)] {
		k := b.peers[id]
		k.dialing = true
		out = append(out, peer.AddrInfo{ID: id, Addrs: k.all()})
	}
	return out
}

// wait is how long after the last try the next one comes.
func (k *known) wait(now time.Time, alone bool, absent int) time.Duration {
	if k.tried.IsZero() {
		return 0
	}
	most := max(retryRecent, time.Duration(absent)*retryEach)
	switch {
	case k.foreign:
		most = retryForeign
	case alone, now.Sub(k.seen) < recent:
		most = retryRecent
	case len(k.fixed) > 0:
		most = min(most, retryFixed)
	}
	d := min(most, firstRetry<<min(k.failures, 16))
	return d - time.Duration(rand.Int64N(int64(d)/4)) // peers that lost each other do not stay in step
}

// Addrs returns the known addresses of a peer.
func (b *Peers) Addrs(id peer.ID) []multiaddr.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil {
		return k.all()
	}
	return nil
}

// IDs returns the remembered peers, in no order.
func (b *Peers) IDs() []peer.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.peers))
}

// Attempts lists the failed tries of all peers that are not connected, in no order.
func (b *Peers) Attempts(connected func(peer.ID) bool) (out []Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, k := range b.peers {
		if !connected(id) {
			out = append(out, k.attempts...)
		}
	}
	return out
}

// get returns a peer's entry, making room for it where needed: the one that was
// reached longest ago, or never, goes, of those who take no part in the swarm as long as there are any.
func (b *Peers) get(id peer.ID) *known {
	if k := b.peers[id]; k != nil {
		return k
	}
	if len(b.peers) >= MaxPeers {
		var worst peer.ID
		stays := false // whether the worst takes part
		for id, k := range b.peers {
			if len(k.fixed) > 0 || k.dialing {
				continue
			}
			in := b.known(id)
			if w := b.peers[worst]; w == nil || stays && !in || stays == in && k.seen.Before(w.seen) {
				worst, stays = id, in
			}
		}
		delete(b.peers, worst)
	}
	k := new(known)
	b.peers[id] = k
	return k
}

// Merge joins two lists of addresses without doubles, the first list first, to maxPeerAddrs at most.
func Merge(a, b []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var out []multiaddr.Multiaddr
	for _, m := range slices.Concat(a, b) {
		if len(out) < maxPeerAddrs && short(m) && !slices.ContainsFunc(out, m.Equal) {
			out = append(out, m)
		}
	}
	return out
}

func short(m multiaddr.Multiaddr) bool {
	b, err := json.Marshal(m.String())
	return err == nil && len(b) <= maxAddr
}
