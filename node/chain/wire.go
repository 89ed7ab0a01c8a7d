package chain

import (
	"errors"
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// EncodeUpdate returns an update's bytes, which its author signs.
func EncodeUpdate(swarm proto.ID, u round.Update) []byte {
	return proto.Encode(&murmurv1.Update{
		Swarm: swarm[:], Author: []byte(u.Author), Parent: u.Parent[:], Height: u.Height, Seq: u.Seq,
		Tokens: u.Tokens, Payload: u.Payload[:], PayloadSize: u.Size, High: u.High,
		ExchangeMs: uint32(u.Exchange.Milliseconds()), StepUs: uint32(u.StepTime.Microseconds()), Loss: u.Loss,
	})
}

// DecodeUpdate checks an update's signature and reads it.
func DecodeUpdate(swarm proto.ID, e *murmurv1.Envelope) (round.Update, error) {
	author, err := proto.Open(e, proto.DomainUpdate)
	if err != nil {
		return round.Update{}, fmt.Errorf("update: %w", err)
	}
	var w murmurv1.Update
	if err := proto.Decode(e.Payload, proto.MaxEnvelope, &w); err != nil {
		return round.Update{}, err
	}
	parent, err1 := proto.IDFrom(w.Parent)
	payload, err2 := proto.IDFrom(w.Payload)
	switch {
	case err1 != nil || err2 != nil:
		return round.Update{}, errors.Join(err1, err2)
	case string(w.Swarm) != string(swarm[:]):
		return round.Update{}, errors.New("update of another swarm")
	case string(w.Author) != string(author):
		return round.Update{}, errors.New("update is not signed by its author")
	case w.Cohort != 0:
		return round.Update{}, fmt.Errorf("update of cohort %d, this version knows cohort 0", w.Cohort)
	}
	return round.Update{
		ID: proto.Sum(e.Payload), Author: author, Parent: parent, Height: w.Height, Seq: w.Seq, Tokens: w.Tokens,
		High: w.High, Payload: payload, Size: w.PayloadSize, Loss: w.Loss,
		Exchange: time.Duration(w.ExchangeMs) * time.Millisecond, StepTime: time.Duration(w.StepUs) * time.Microsecond,
	}, nil
}

// encodeContent returns the bytes that a commit's id covers.
func encodeContent(swarm proto.ID, c round.Commit, evidence []*murmurv1.Evidence) []byte {
	w := &murmurv1.Content{
		Swarm: swarm[:], Parent: c.Parent[:], Height: c.Height, Evidence: evidence, NextH: c.NextH, Target: c.Target,
		Cursor: c.Cursor, Tokens: c.Tokens, StateRoot: c.Root[:],
	}
	for _, id := range c.Updates {
		w.Updates = append(w.Updates, id[:])
	}
	for _, m := range c.Roster {
		w.Roster = append(w.Roster, []byte(m.Peer))
		w.RosterAge = append(w.RosterAge, m.Age)
	}
	return proto.Encode(w)
}

// decodeContent reads a commit's content and the envelopes of its evidence.
func decodeContent(swarm proto.ID, b []byte) (round.Commit, []*murmurv1.Envelope, error) {
	var w murmurv1.Content
	if err := proto.Decode(b, proto.MaxCommit, &w); err != nil {
		return round.Commit{}, nil, err
	}
	c := round.Commit{ID: proto.Sum(b), Height: w.Height, NextH: w.NextH, Target: w.Target, Cursor: w.Cursor, Tokens: w.Tokens}
	var err error
	switch {
	case string(w.Swarm) != string(swarm[:]):
		return c, nil, errors.New("commit of another swarm")
	case w.Height == 0:
		return c, nil, errors.New("commit in genesis' place")
	case len(w.Updates) > proto.MaxUpdates || len(w.Evidence) > proto.MaxEvidence || len(w.Roster) != len(w.RosterAge):
		return c, nil, errors.New("commit with lists out of bounds")
	}
	if c.Parent, err = proto.IDFrom(w.Parent); err != nil {
		return c, nil, fmt.Errorf("commit's parent: %w", err)
	}
	if c.Root, err = proto.IDFrom(w.StateRoot); err != nil {
		return c, nil, fmt.Errorf("commit's state root: %w", err)
	}
	for _, u := range w.Updates {
		id, err := proto.IDFrom(u)
		if err != nil {
			return c, nil, fmt.Errorf("commit's list: %w", err)
		}
		c.Updates = append(c.Updates, id)
	}
	for i, p := range w.Roster {
		if len(p) > proto.MaxPeerBytes {
			return c, nil, errors.New("commit with an overlong peer id")
		}
		c.Roster = append(c.Roster, round.Member{Peer: proto.PeerID(p), Age: w.RosterAge[i]})
	}
	var proofs []*murmurv1.Envelope
	for _, e := range w.Evidence {
		if e.GetFirst() == nil || e.GetSecond() == nil {
			return c, nil, errors.New("commit with half an evidence")
		}
		c.Evidence = append(c.Evidence, [2]proto.ID{proto.Sum(e.First.Payload), proto.Sum(e.Second.Payload)})
		proofs = append(proofs, e.First, e.Second)
	}
	return c, proofs, nil
}

// EncodeAnnounce returns the bytes with which a closer announces a commit.
func EncodeAnnounce(swarm proto.ID, c round.Commit) []byte {
	return proto.Encode(&murmurv1.Announce{
		Swarm: swarm[:], Commit: c.ID[:], Parent: c.Parent[:], Height: c.Height, View: c.View, Closer: []byte(c.Closer),
	})
}

// DecodeAnnounce checks and reads a commit's announcement.
func DecodeAnnounce(swarm proto.ID, e *murmurv1.Envelope) (round.Announced, error) {
	closer, err := proto.Open(e, proto.DomainAnnounce)
	if err != nil {
		return round.Announced{}, fmt.Errorf("announcement: %w", err)
	}
	var w murmurv1.Announce
	if err := proto.Decode(e.Payload, proto.MaxEnvelope, &w); err != nil {
		return round.Announced{}, err
	}
	commit, err1 := proto.IDFrom(w.Commit)
	parent, err2 := proto.IDFrom(w.Parent)
	switch {
	case err1 != nil || err2 != nil:
		return round.Announced{}, errors.Join(err1, err2)
	case string(w.Swarm) != string(swarm[:]):
		return round.Announced{}, errors.New("announcement of another swarm")
	case string(w.Closer) != string(closer):
		return round.Announced{}, errors.New("announcement is not signed by its closer")
	}
	return round.Announced{Commit: commit, Parent: parent, Height: w.Height, View: w.View, Closer: closer}, nil
}
