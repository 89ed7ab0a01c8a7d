package data

import (
	"encoding/binary"

	"lukechampine.com/blake3"
)

// NewcomerLanes is how many lanes peers outside the roster spread over. Two that meet in one train on the same samples
// until the next commit spreads them anew: wasteful, never wrong.
const NewcomerLanes = 8

// Assignment is all that decides which positions a node takes between a parent commit and the next.
type Assignment struct {
	Manifest, Parent [32]byte
	Cursor           uint64 // the parent's: first position that nobody took
	Rank, Roster     int    // this peer's place in the parent's roster of that size; −1 for a newcomer
	Peer             string
	CapSamples       uint64 // most samples that one update may count
	Part, Parts      int    // of a peer whose devices share its lane; 0 and 0: it has one
}

// Lane hands out a node's positions in one round, each once, rising.
//
// Member i of a roster of R takes cursor+i, cursor+i+R, …. A newcomer starts past the roster's range, at
// cursor + R·cap + its lane, and takes every eighth position. So while members stay under the cap, no two members take
// the same position, and no member takes a newcomer's.
type Lane struct {
	next, stride, high uint64
}

// NewLane lays out the lane of an assignment. A rank outside the roster is a newcomer's. Of several devices each takes every
// Parts-th position.
func NewLane(a Assignment) Lane {
	l := whole(a)
	if a.Parts > 1 {
		l.next += uint64(a.Part) * l.stride
		l.stride *= uint64(a.Parts)
	}
	return l
}

func whole(a Assignment) Lane {
	if a.Rank >= 0 && a.Rank < a.Roster {
		return Lane{next: a.Cursor + uint64(a.Rank), stride: uint64(a.Roster), high: a.Cursor}
	}
	h := blake3.New(8, nil)
	for _, part := range [][]byte{a.Manifest[:], a.Parent[:], []byte(a.Peer)} {
		_, _ = h.Write(part) // a hash never refuses
	}
	lane := binary.LittleEndian.Uint64(h.Sum(nil)) % NewcomerLanes
	return Lane{next: a.Cursor + uint64(max(a.Roster, 0))*a.CapSamples + lane, stride: NewcomerLanes, high: a.Cursor}
}

// OwnLane takes every position from one on: of a data set that no other node has.
func OwnLane(from uint64) Lane { return Lane{next: from, stride: 1, high: from} }

// Next takes the lane's next position.
func (l *Lane) Next() uint64 {
	p := l.next
	l.next += l.stride
	l.high = p + 1
	return p
}

// Ahead is the last of the next n positions, n at least 1.
func (l Lane) Ahead(n uint64) uint64 { return l.next + (n-1)*l.stride }

// High is one past the highest position taken, or the cursor when none was. The next cursor is at least this.
func (l Lane) High() uint64 { return l.high }
