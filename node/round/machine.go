package round

import (
	"cmp"
	"slices"
	"time"

	"github.com/murmurnet/murmur/proto"
)

// TickEvery is how often a driver should send Tick.
const TickEvery = 50 * time.Millisecond

// Machine is one node's view of a swarm. Its methods must not be called
// concurrently.
type Machine struct {
	cfg Config
	now time.Duration
	out []Effect

	blocks      map[proto.ID]*block
	undecided   map[proto.ID]*block // pending or being checked
	listings    listings
	hadSeniors  bool // the branch had minSeniors members past probation once
	forgetAbove int  // number of updates above which those no longer needed are looked for
	base, head  *block

	updates   map[proto.ID]*Update
	told      uint64                     // updates remembered so far
	authors   map[proto.PeerID][]*Update // by Seq, then ID; at most maxUpdatesByAuthor
	held      map[Use]time.Duration      // payloads on this disk that decode, with the time they came
	unfit     map[Use]bool
	beats     map[proto.PeerID]*beat
	lapsed    map[proto.PeerID]uint64        // voters who let their turn to close pass, with the height up to which theirs comes last
	kept      map[proto.PeerID]bool          // voters of the branch that this node's disk held when it started
	known     map[proto.PeerID]time.Duration // voters of heads, with the time they last were; at most maxPeers
	noticed   map[proto.ID]Notice            // told to this node, on the chain or not; at most MaxNotices
	local     *members                       // who belongs, by the head's notices and by noticed
	tries     map[errand]*try
	running   [building + 1]int     // open tries of each kind
	fetching  map[quota]int         // open tries for payloads
	asked     map[proto.ID]proto.ID // payloads under way, by the update that each is asked for by
	strangers int                   // open tries for payloads of whom the roster lacks
	loose     map[Use]bool          // what was fetched of newcomers for the last heads
	dropAbove int                   // number of loose payloads above which those no longer needed are looked for

	own       ledger
	training  bool
	started   time.Duration
	trained   time.Duration // when this node's training ended last
	awake     time.Duration // since the last gap between events, as a machine makes that slept
	settled   bool
	damaged   bool // no rounds until peers gave back what this disk lost
	round     current
	waits     waitBudget
	spreads   []time.Duration // newest last; how far payloads of a round lay apart
	announced map[proto.ID]announcement
	catching  map[proto.ID]proto.PeerID // branches asked for, by whose word
	byUnknown time.Duration             // when the turns of those who never voted here are all back, one each unknownEvery
	entering  map[proto.ID]offer        // the foreign snapshot heights asked for; at most maxEntering
	skipTo    *block                    // the snapshot height asked for on a branch of the tree: what lies below need not come
	unproven  int                       // commits to compute before the first update on a snapshot of others
	finish    finish
}

// current is what belongs to the round on the present head.
type current struct {
	since   time.Duration // local time at which the head was adopted
	due     bool
	dueAt   time.Duration
	held    bool // a payload on this head is held
	heldAt  time.Duration
	ready   bool // view 0 may close
	readyAt time.Duration
	turns   []proto.PeerID // who may close, in order, fixed when view 0 could
	earlyAt time.Duration  // last time at which most others were yet to publish
	saidAt  time.Duration  // last time at which the own update was announced

	lost     map[proto.ID]bool     // updates that the driver has not any more: no commit of this node's lists them
	measured map[proto.PeerID]bool // voters whose payloads' spread was noted
}

// State is what a node has on disk when it starts.
type State struct {
	Base    Commit         // its state is held
	Commits []Commit       // above the base, valid, older before newer
	Past    []Commit       // snapshot heights below the base, newer before older, at most KnownPast
	Known   []proto.PeerID // as the last Rebase named them
	Head    proto.ID
	Updates []Update            // listed in commits, and own ones
	Covers  map[proto.ID]uint64 // own updates that the disk remembers making: the tokens each stands for
	Held    map[proto.ID]uint64 // payloads, and how many bytes each has
	Lacking uint64              // tokens that this node learned and the head's branch lacks
	Signed  []proto.ID          // commits that own updates are for, the newest MaxSigned
	Seq     uint64              // of the newest own update
	Damaged bool                // the disk held a later state, which is lost: wait for peers
	Alone   bool                // there is nobody to ask about own updates
}

// longAgo is when a peer of a roster below the base was met.
const longAgo = time.Duration(-1)

// New makes a Machine from what the disk holds.
func New(cfg Config, s State) (*Machine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg:    cfg,
		blocks: map[proto.ID]*block{}, undecided: map[proto.ID]*block{}, updates: map[proto.ID]*Update{}, authors: map[proto.PeerID][]*Update{},
		held: map[Use]time.Duration{}, unfit: map[Use]bool{}, beats: map[proto.PeerID]*beat{}, tries: map[errand]*try{},
		fetching: map[quota]int{}, asked: map[proto.ID]proto.ID{}, lapsed: map[proto.PeerID]uint64{}, known: map[proto.PeerID]time.Duration{}, kept: map[proto.PeerID]bool{}, noticed: map[proto.ID]Notice{},
		own:       ledger{covers: map[proto.ID]uint64{}, signed: map[proto.ID]uint64{}, byParent: map[proto.ID]*Update{}, total: s.Lacking, seq: s.Seq},
		loose:     map[Use]bool{},
		waits:     waitBudget{left: graceFloor},
		settled:   s.Alone,
		damaged:   s.Damaged,
		announced: map[proto.ID]announcement{},
		catching:  map[proto.ID]proto.PeerID{},
		entering:  map[proto.ID]offer{},
	}
	for _, c := range s.Past {
		for _, p := range cfg.voters(c) { // who was on this branch, and may have left it long ago
			if len(m.known) < maxPeers {
				m.known[p] = longAgo
			}
		}
	}
	for _, p := range s.Known {
		if _, ok := m.known[p]; !ok && len(m.known) < maxPeers {
			m.known[p] = longAgo
		}
	}
	m.base = m.plant(s.Base, nil)
	m.base.members = m.membersAt(s.Base, nil)
	m.decide(m.base, valid)
	m.head = m.base
	m.meet(m.base)
	for _, u := range s.Updates { // of others that name the same bytes nobody knows yet
		if size, here := s.Held[u.Payload]; here && size == u.Size {
			m.held[u.Use()] = m.now
		}
	}
	for _, c := range s.Commits {
		if parent := m.blocks[c.Parent]; parent != nil {
			b := m.plant(c, parent)
			b.members = m.membersAt(c, parent)
			m.decide(b, valid)
			m.meet(b)
		}
	}
	m.local = newMembers(cfg.Membership, s.Base.Notices)
	for _, u := range s.Updates {
		if m.remember(u) && u.Author == cfg.Self {
			m.own.note(m.updates[u.ID], s.Covers[u.ID])
		}
	}
	for _, parent := range s.Signed { // the number counts how long it is remembered alone
		m.own.signed[parent] = m.own.seq
	}
	if h := m.blocks[s.Head]; h != nil {
		m.head = h
	}
	for p, met := range m.known {
		m.kept[p] = met >= 0
	}
	m.local = newMembers(cfg.Membership, m.head.Notices)
	return m, nil
}

// Step takes one event that happened at a local, monotonic time and returns
// what to do about it.
func (m *Machine) Step(now time.Duration, ev Event) []Effect {
	if now-m.now > m.cfg.Grace {
		m.awake = now
	}
	m.now = max(m.now, now)
	m.out = nil
	if c := m.cfg.Contract; c != nil {
		c.told(ev)
	}
	switch e := ev.(type) {
	case Tick:
	case Progress:
		m.own.total, m.own.rate, m.own.done = e.Total, e.Rate, e.Done
	case Training:
		if m.training && !e.On {
			m.trained = m.now
		}
		m.training = e.On
	case Heartbeat:
		m.heard(e)
	case Seen:
		m.seen(e.Update)
	case Held:
		m.gotPayload(e.Use)
	case Unfit:
		m.markUnfit(e.Use)
		m.answered(e.Payload, m.done)
	case Missed:
		m.answered(e.Payload, m.retry)
	case Announced:
		m.hearCommit(e)
	case Pulled:
		m.pulled(e)
	case PullFailed:
		m.retry(body, e.Commit)
	case CaughtUp:
		m.caughtUp(e.Target)
	case Foreign:
		m.weigh(e)
	case Landed:
		m.land(e.Commit)
	case NotLanded:
		m.retry(snapshot, e.Commit)
		delete(m.entering, e.Commit)
		m.skipTo = nil
	case Published:
		m.published(e)
	case Unpublished:
		m.retry(update, e.Parent)
	case Built:
		m.built(e.Commit)
	case Unbuilt:
		m.unbuilt(e)
	case Verified:
		m.verified(e)
	case Unverified:
		m.unverified(e.Commit)
	case Noticed:
		m.takeNotices(e.Notices)
	case Finish:
		m.wantLeave()
	case Settled:
		m.settled = true
	}
	m.advance()
	if c := m.cfg.Contract; c != nil {
		c.asked(m.out)
	}
	return m.out
}

// advance does all that the present state of things calls for.
func (m *Machine) advance() {
	if !m.settled && m.now-m.started >= m.cfg.Grace {
		m.settled = true // nobody answered: go on
	}
	m.choose()
	m.check()
	m.chase()
	m.shortcut()
	m.fetch()
	m.checkDue()
	m.publish()
	m.closeRound()
	m.leave()
}

func (m *Machine) do(e Effect) { m.out = append(m.out, e) }

// peersAlive lists peers with a fresh heartbeat: who voted before first, whom as many keys as somebody likes would hide, and of each kind
// those on the head first.
func (m *Machine) peersAlive() []proto.PeerID {
	var kinds [4][]proto.PeerID
	for p, b := range m.beats {
		if !b.fresh(m.now) {
			continue
		}
		kind := 0
		if !m.voted(p) {
			kind = 2
		}
		if b.Head != m.head.ID {
			kind++
		}
		kinds[kind] = append(kinds[kind], p)
	}
	var all []proto.PeerID
	for _, ps := range kinds {
		all = append(all, m.shuffled(ps)...)
	}
	return all
}

// salted is a seed for draws of this node alone.
func (m *Machine) salted(id proto.ID) []byte { return append([]byte(m.cfg.Salt), id[:]...) }

// shuffled orders peers that have a heartbeat as this node alone does, so that not all ask the same ones first.
func (m *Machine) shuffled(ps []proto.PeerID) []proto.PeerID {
	slices.SortFunc(ps, func(a, b proto.PeerID) int {
		x, y := m.beats[a].draw, m.beats[b].draw
		return cmp.Or(slices.Compare(x[:], y[:]), cmp.Compare(a, b))
	})
	return ps
}
