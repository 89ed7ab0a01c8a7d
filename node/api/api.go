// Package api is a node's state as one tree, and the HTTP and JSON through which
// it is read and steered: over a unix socket by other processes of this user, and
// over a loopback address, for a token, by browsers of this machine.
//
// Every view (commands, page, terminal, metrics) reads this tree, so they cannot
// disagree. It must not compute anything: a Source does.
package api

import (
	"context"
	"time"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// State is everything a node shows of itself.
type State struct {
	Version  string             `json:"version"`
	Name     string             `json:"name"`
	Swarm    proto.ID           `json:"swarm"`
	Link     string             `json:"link"`
	Peer     proto.PeerID       `json:"peer"`
	Started  time.Time          `json:"started"`
	Reason   string             `json:"reason"` // of node/policy
	Why      string             `json:"why"`
	Source   string             `json:"source"`           // who or what decided
	Until    time.Time          `json:"until,omitzero"`   // when the decision may change by itself
	Unkept   string             `json:"unkept,omitempty"` // what a person asked for that the disk did not take
	Head     Head               `json:"head"`
	Round    Round              `json:"round"`
	Counts   Counts             `json:"counts"`
	Trainer  Trainer            `json:"trainer"`
	Devices  []Device           `json:"devices,omitempty"` // that it trains on, and the processor
	Share    Share              `json:"share"`             // of this node
	Health   []health.Condition `json:"health,omitempty"`  // what is wrong
	Peers    []Peer             `json:"peers"`
	Traffic  Traffic            `json:"traffic"`
	Reach    Reach              `json:"reach"`
	Limits   Limits             `json:"limits"`
	Policy   policy.Settings    `json:"policy"`
	Usage    Usage              `json:"usage"`
	Schedule Schedule           `json:"schedule"`
	Process  Process            `json:"process"`
	Sends    []string           `json:"sends"`             // what leaves this machine, in words
	Page     string             `json:"page,omitempty"`    // where the page is, without the token that opens it
	Heldout  *Heldout           `json:"heldout,omitempty"` // the newest that the swarm measured
}

// Reach is how others can come to the node.
type Reach struct {
	Verdict string            `json:"verdict"`           // "public", "private" or "unknown"
	Dialled []string          `json:"dialled,omitempty"` // addresses that others have reached
	Blocked []string          `json:"blocked,omitempty"` // addresses that they have not
	Relays  []string          `json:"relays,omitempty"`  // addresses through relays
	Router  map[string]string `json:"router,omitempty"`  // by transport: how the router maps ports
	Refusal string            `json:"refusal,omitempty"` // what this node was told last when it was not let in
	Tried   []Attempt         `json:"tried,omitempty"`   // addresses of peers that are not connected, the newest tries first
}

// String says how others come to this node.
func (r Reach) String() string {
	switch {
	case r.Verdict == "public":
		return "others can dial this node"
	case len(r.Dialled) > 0:
		return "others have dialled this node at " + r.Dialled[0]
	case len(r.Relays) > 0:
		return "through a relay, for peers that it cannot dial itself; open the port at the router to be reached at once"
	case r.Verdict == "private":
		return "nobody can dial this node; it dials others"
	default:
		return "not known yet whether others can dial this node"
	}
}

// Attempt is the last try to reach a peer at an address, which came to nothing.
type Attempt struct {
	Addr string    `json:"addr"`
	Why  string    `json:"why"`
	At   time.Time `json:"at"`
}

// Head is the commit that the node stands on.
type Head struct {
	ID        proto.ID `json:"id"`
	Height    uint64   `json:"height"`
	StateRoot proto.ID `json:"state_root"`
	Tokens    uint64   `json:"tokens"` // committed since genesis
	Roster    int      `json:"roster"`
	// Checkpoint is a commit below it for links, which stays: nil before there is one.
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
}

// Checkpoint names a commit for those who join.
type Checkpoint struct {
	Height uint64   `json:"height"`
	Commit proto.ID `json:"commit"`
}

// Round is the round under way.
type Round struct {
	Seconds float64 `json:"seconds"` // since the head was adopted
	Due     bool    `json:"due"`
	Active  int     `json:"active"` // nodes that share it
	H       uint32  `json:"h"`
	Last    Outcome `json:"last"`
}

// Outcome is how the newest round of this node went.
type Outcome struct {
	Height   uint64         `json:"height"`
	Root     proto.ID       `json:"state_root"`
	Seconds  float64        `json:"seconds"`
	Included []proto.PeerID `json:"included"`
	Missing  []proto.PeerID `json:"missing"`        // peers that took part, and whose updates are not in it
	Late     []proto.PeerID `json:"late,omitempty"` // those of them whose updates came all the same
	Closer   proto.PeerID   `json:"closer"`
	View     uint32         `json:"view"`
	Loss     float64        `json:"loss"`            // token-weighted mean of the included updates' training losses
	Moved    float64        `json:"moved,omitempty"` // how far it moved the model, by the median of the sixteen rounds before; 0: not known
	Stages   Stages         `json:"stages"`
}

// Stages are the times at which a round came so far on this node; zero where a
// stage was skipped.
type Stages struct {
	Due       time.Time `json:"due"`       // enough was learned
	Published time.Time `json:"published"` // the own update is durable
	Held      time.Time `json:"held"`      // the last payload came
	Known     time.Time `json:"known"`     // the commit's body is here
	Verified  time.Time `json:"verified"`  // its state root is computed
	Adopted   time.Time `json:"adopted"`   // it is the head
	Applied   time.Time `json:"applied"`   // the trainer has it
}

// Trainer is the child process that trains.
type Trainer struct {
	Up           bool     `json:"up"`
	Pid          int      `json:"pid,omitempty"`
	Backend      string   `json:"backend,omitempty"`
	Device       string   `json:"device,omitempty"`
	Refusals     []string `json:"refusals,omitempty"`
	Params       int      `json:"params"`
	Steps        uint64   `json:"steps"` // since this daemon started
	Tokens       uint64   `json:"tokens"`
	TokensPerSec float64  `json:"tokens_per_s"`
	Loss         float64  `json:"loss"`
	Restarts     int      `json:"restarts"`
}

// Device is what a trainer works on, or the machine's processor. What cannot be read is zero.
type Device struct {
	Name    string  `json:"name"`
	Celsius float64 `json:"celsius,omitempty"`
	Watts   float64 `json:"watts,omitempty"`
	Memory  uint64  `json:"memory_bytes,omitempty"` // in use, by everybody
	Total   uint64  `json:"memory_total_bytes,omitempty"`
	Others  float64 `json:"others,omitempty"` // how busy other programs keep it, 0 to 1
}

// Share is what rounds took in of a node, since the one that shows it started.
type Share struct {
	Updates uint64 `json:"updates"`
	Tokens  uint64 `json:"tokens"`
	Recent  string `json:"recent,omitempty"` // the newest 50 rounds, the newest last: one of the letters below
}

// What Share.Recent says of a round.
const (
	InRound   = '+' // its update was taken in
	LateRound = '~' // its update came too late
	OutRound  = '-' // it took part, and no update of it came
	NoRound   = '.' // it did not take part
)

// Peer is another node.
type Peer struct {
	ID          proto.PeerID `json:"id"`
	Connected   bool         `json:"connected"`
	Path        string       `json:"path,omitempty"` // "lan", "direct" or "relayed"
	RTTMillis   float64      `json:"rtt_ms,omitempty"`
	WriteMillis float64      `json:"write_ms,omitempty"` // the longest that an announcement to it took to be written in the last minute
	Agent       string       `json:"agent,omitempty"`
	State       string       `json:"state,omitempty"` // by its own word, or Gone
	Why         string       `json:"why,omitempty"`
	Seen        time.Time    `json:"seen,omitzero"` // when its newest heartbeat came
	Height      uint64       `json:"height,omitempty"`
	Lag         int64        `json:"lag,omitempty"` // rounds that it is behind this node
	Rate        float64      `json:"tokens_per_s,omitempty"`
	Backend     string       `json:"backend,omitempty"`
	Share       Share        `json:"share"`
	Flag        string       `json:"flag,omitempty"` // what is wrong with what it sends
}

// slowWrite is how many milliseconds a frame of a few KiB takes where it waits for other bytes, at any distance.
const slowWrite = 1000

// SlowLine tells whether announcements to a peer wait for other bytes on the way to it.
func (p Peer) SlowLine() bool { return p.Connected && p.WriteMillis >= slowWrite }

// Gone is the state of a peer whose heartbeats have ceased.
const Gone = "gone"

// Traffic is all that the libp2p host sent and received since the start.
type Traffic struct {
	BytesIn   uint64            `json:"bytes_in"`
	BytesOut  uint64            `json:"bytes_out"`
	Protocols map[string]Bytes  `json:"protocols"`         // the streams' share, by protocol
	Necessary uint64            `json:"necessary_bytes"`   // of payloads that rounds took in, but for this node's own
	AllReduce uint64            `json:"all_reduce_bytes"`  // bytes that a ring all-reduce of float32 gradients would have received for this node's part
	Dropped   map[string]uint64 `json:"dropped,omitempty"` // gossip messages that went no further, by cause
}

// Bytes are those of one protocol.
type Bytes struct {
	In  uint64 `json:"in"`
	Out uint64 `json:"out"`
}

// Counts are of the rounds that this node took over since it started.
type Counts struct {
	Rounds      uint64 `json:"rounds"`
	Included    uint64 `json:"included"` // updates
	Missing     uint64 `json:"missing"`  // updates that were left out, of peers in the roster or active
	Late        uint64 `json:"late"`     // those of them that came all the same
	OwnIncluded uint64 `json:"own_included"`
	OwnMissing  uint64 `json:"own_missing"`

	Seconds float64                  `json:"seconds"` // that the rounds took together
	Took    [len(RoundBounds)]uint64 `json:"took"`    // rounds that took longer than the bound before, and this one at most
}

// RoundBounds sorts rounds by how many seconds they took; what is beyond is in none.
var RoundBounds = [...]float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600}

// Schedule is how far the training is.
type Schedule struct {
	TotalTokens uint64 `json:"total_tokens"`
	Complete    bool   `json:"complete"`
}

// Process is what the daemon takes of its machine, without its trainer.
type Process struct {
	Memory     uint64 `json:"memory_bytes"` // that the Go runtime holds
	Heap       uint64 `json:"heap_bytes"`   // of it in use
	Goroutines int    `json:"goroutines"`
	Disk       uint64 `json:"disk_bytes"` // the swarm's directory
}

// Source is the node behind the API.
type Source interface {
	State() State
	Events(since uint64) []event.Event
	// Rounds returns the newest rounds above a height, at most 256.
	Rounds(since uint64) []Outcome
	// Curve returns the swarm's held-out losses above a height.
	Curve(since uint64) []Heldout
	// ChangeSettings changes what a person wants of the machine.
	ChangeSettings(change func(*policy.Settings)) error
	SetLimits(l Limits) error
	// Members lists who belongs to the swarm, as far as the node has met them.
	Members() []Member
	Revoke(peer proto.PeerID) error
	// Rotate gives the community a new key, or with drop ends the older ones.
	Rotate(drop bool) error
	// Finish has the node leave once its work is in.
	Finish()
	// Heldout is θ(head)'s loss on the fixed held-out slice, in nats per token.
	Heldout(ctx context.Context) (Heldout, error)
	// Keep puts the state of a height, or the newest below 0, on the node's disk as a whole.
	Keep(ctx context.Context, height int64) (Kept, error)
	// States lists the states that the node can go back to, the oldest first. Rounds between a snapshot and the newest
	// can be had, too.
	States() []Held
	// Generate continues a prompt by θ(head), calling emit for each piece of text.
	Generate(ctx context.Context, g Generate, emit func(text string)) error
}

// Member is what a node knows of a member.
type Member struct {
	Peer   proto.PeerID `json:"peer"`
	How    string       `json:"how"`              // "listed", "member", "invited" or "revoked"
	Until  time.Time    `json:"until,omitzero"`   // zero: for good
	Invite string       `json:"invite,omitempty"` // that it came in by, short
}

// Kept is a state that lies on the node's disk.
type Kept struct {
	Height  uint64   `json:"height"`
	Root    proto.ID `json:"state_root"`
	Tokens  uint64   `json:"tokens"`  // committed up to it
	Cursor  uint64   `json:"cursor"`  // the first data position that was not taken
	NextH   uint32   `json:"next_h"`  // inner steps of the round that follows
	Updates int      `json:"updates"` // in the commits that the node holds
	Authors int      `json:"authors"` // of those
}

// Held is a state that the node can go back to.
type Held struct {
	Height uint64    `json:"height"`
	Tokens uint64    `json:"tokens"`      // committed up to it
	Kind   string    `json:"kind"`        // one of the words below
	At     time.Time `json:"at,omitzero"` // when this machine had it; zero where that is not known
}

// What Held.Kind says.
const (
	HeldHead     = "newest"
	HeldSnapshot = "snapshot" // of the protocol, until two more have come
	HeldDaily    = "daily"    // for a week
	HeldStart    = "start"    // before the first round
)

// Heldout is a held-out loss and the height that it belongs to.
type Heldout struct {
	Height uint64       `json:"height"` // the commit whose state was measured
	Loss   float64      `json:"loss"`   // nats a token
	By     proto.PeerID `json:"by"`     // the peer that measured it
}

// Generate asks for a text.
type Generate struct {
	Prompt      string   `json:"prompt"`
	Tokens      int      `json:"tokens"`
	Temperature float64  `json:"temperature"`
	TopK        int      `json:"top_k"`
	TopP        float64  `json:"top_p"`
	Seed        uint64   `json:"seed"`
	Stop        []string `json:"stop,omitempty"`
}
