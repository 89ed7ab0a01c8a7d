package p2p

import (
	"encoding/json"
	"errors"
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

const (
	maxKnown     = 256 // peers remembered, in memory and on disk
	maxPeerAddrs = 16  // addresses of one peer
	maxBookFile  = 1 << 20
	// A peer that was there in the last ten minutes, or anybody while nobody is
	// connected, is tried at least every five seconds; an address that its
	// operator wrote down every half minute; of all others one every five
	// seconds: a try in vain costs 6 KB, and small swarms find each other within
	// seconds after a long cut.
	recent       = 10 * time.Minute
	firstRetry   = 500 * time.Millisecond
	retryRecent  = 5 * time.Second
	retryFixed   = 30 * time.Second
	retryEach    = 5 * time.Second // times the peers that are known and not connected
	retryForeign = 5 * time.Minute
	// A peer that so many dials have not reached was lost; libp2p notices the
	// losses of one cut over 36 s.
	lostFailures = 3
	lostTogether = time.Minute
)

// book is the peers that this node knows, with when to dial them again.
type book struct {
	self peer.ID
	file string
	log  *slog.Logger

	mu    sync.Mutex
	peers map[peer.ID]*known
	dirty bool
}

type known struct {
	addrs    []multiaddr.Multiaddr
	fixed    []multiaddr.Multiaddr // from Params.Bootstrap
	seen     time.Time             // last success; zero = never
	failures int
	tried    time.Time
	dialing  bool
	foreign  bool // was reached and is not of this swarm
	vain     []Attempt
}

// entry is one peer in the file.
type entry struct {
	ID    peer.ID   `json:"id"`
	Addrs []string  `json:"addrs"`
	Seen  time.Time `json:"seen"`
}

func newBook(self peer.ID, bootstrap []string, file string, log *slog.Logger) *book {
	b := &book{self: self, file: file, log: log, peers: make(map[peer.ID]*known)}
	if err := b.load(); err != nil {
		log.Warn("the file of known peers is not readable and will be written anew", "file", file, "err", err)
	}
	for _, s := range bootstrap {
		info, err := peer.AddrInfoFromString(s)
		if err != nil || info.ID == self {
			continue // Validate has spoken about the first
		}
		k := b.peers[info.ID]
		if k == nil {
			k = new(known)
			b.peers[info.ID] = k
		}
		k.fixed = append(k.fixed, info.Addrs...)
	}
	return b
}

func (b *book) load() error {
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
	if st.Size() > maxBookFile {
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
	for _, e := range entries[:min(len(entries), maxKnown)] {
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

// Known lists the addresses of peers that a file of a Network holds, each ending in
// /p2p/ID, those that were seen last first.
func Known(file string) (addrs []string) {
	b := &book{file: file, peers: map[peer.ID]*known{}}
	if err := b.load(); err != nil {
		return nil // as a Network does, which writes it anew
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

// save writes the peers that were ever reached, when something changed.
func (b *book) save() error {
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

// learn remembers addresses that somebody told us.
func (b *book) learn(info peer.AddrInfo) {
	if info.ID == b.self || len(info.Addrs) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.get(info.ID)
	if k.seen.IsZero() || k.failures > 0 { // what a peer says itself is better
		k.addrs = merge(info.Addrs, k.addrs)
	}
}

// met notes that a peer is connected, and the addresses that it listens on.
func (b *book) met(id peer.ID, addrs []multiaddr.Multiaddr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.get(id)
	if k.failures >= lostFailures && !k.seen.IsZero() {
		b.hope(k.seen.Add(-lostTogether))
	}
	k.seen, k.failures, k.foreign, k.vain, b.dirty = time.Now(), 0, false, nil, true
	if len(addrs) > 0 {
		k.addrs = merge(addrs, nil)
	}
}

// hope lets all peers be dialled at once that were lost since then: where one is
// back, so may be those that a cut took away with it.
func (b *book) hope(since time.Time) {
	for _, k := range b.peers {
		if k.failures > 0 && !k.foreign && !k.seen.Before(since) {
			k.failures, k.tried = 0, time.Time{}
		}
	}
}

// left notes that the connection to a peer has ended.
func (b *book) left(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil && !k.foreign {
		k.seen, k.failures, k.tried, b.dirty = time.Now(), 0, time.Now(), true
	}
}

// tried notes the end of a dial.
func (b *book) tried(info peer.AddrInfo, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[info.ID]; k != nil {
		k.dialing, k.tried = false, time.Now()
		switch {
		case err != nil:
			k.failures++
			k.vain = vain(info, err, k.tried)
		case !k.foreign:
			k.vain = nil
		}
	}
}

// drop forgets a peer that turned out not to be of this swarm. One that the
// operator named stays, to be tried later, with what became of it; it says so.
func (b *book) drop(id peer.ID, vain Attempt) (named bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil && len(k.fixed) > 0 {
		named = !k.foreign
		k.foreign, k.failures, k.vain = true, 16, []Attempt{vain}
		return named
	}
	delete(b.peers, id)
	return false
}

// shut notes that a peer does not let this node in: it is asked again, but seldom.
func (b *book) shut(id peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil {
		k.foreign, k.failures, k.tried = true, 16, time.Now()
	}
}

// due returns at most limit peers to dial now and marks them.
func (b *book) due(now time.Time, limit int, connected func(peer.ID) bool, alone bool) []peer.AddrInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	absent := 0
	for id := range b.peers {
		if !connected(id) {
			absent++
		}
	}
	var out []peer.AddrInfo
	for id, k := range b.peers {
		if len(out) == limit {
			break
		}
		if k.dialing || connected(id) || now.Before(k.tried.Add(k.wait(now, alone, absent))) {
			continue
		}
		k.dialing = true
		out = append(out, peer.AddrInfo{ID: id, Addrs: merge(k.fixed, k.addrs)})
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

// addrsOf returns what is known of a peer's addresses.
func (b *book) addrsOf(id peer.ID) []multiaddr.Multiaddr {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k := b.peers[id]; k != nil {
		return merge(k.fixed, k.addrs)
	}
	return nil
}

func (b *book) ids() []peer.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.peers))
}

// get returns a peer's entry, making room for it where needed: the one that was
// reached longest ago, or never, goes.
func (b *book) get(id peer.ID) *known {
	if k := b.peers[id]; k != nil {
		return k
	}
	if len(b.peers) >= maxKnown {
		var worst peer.ID
		for id, k := range b.peers {
			if w := b.peers[worst]; len(k.fixed) == 0 && !k.dialing && (w == nil || k.seen.Before(w.seen)) {
				worst = id
			}
		}
		delete(b.peers, worst)
	}
	k := new(known)
	b.peers[id] = k
	return k
}

// merge joins two lists of addresses without doubles, the first list first.
func merge(a, b []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var out []multiaddr.Multiaddr
	for _, m := range slices.Concat(a, b) {
		if len(out) < maxPeerAddrs && !slices.ContainsFunc(out, m.Equal) {
			out = append(out, m)
		}
	}
	return out
}
