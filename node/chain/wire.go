package chain

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

// EncodeUpdate returns an update's bytes, which its author signs. The proof is the
// author's, that it belongs to a swarm for members; else nil.
func EncodeUpdate(swarm proto.ID, u round.Update, proof *murmurv1.Proof) []byte {
	return proto.Encode(&murmurv1.Update{
		Swarm: swarm[:], Author: []byte(u.Author), Parent: u.Parent[:], Height: u.Height, Seq: u.Seq,
		Tokens: u.Tokens, Payload: u.Payload[:], PayloadSize: u.Size, High: u.High,
		ExchangeMs: uint32(u.Exchange.Milliseconds()), StepUs: uint32(u.StepTime.Microseconds()), Loss: u.Loss, Proof: proof,
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
	case math.IsNaN(float64(w.Loss)) || math.IsInf(float64(w.Loss), 0):
		return round.Update{}, errors.New("update with a loss that is no number") // nor could any view tell it
	case w.Cohort != 0:
		return round.Update{}, fmt.Errorf("update of cohort %d, this version knows cohort 0", w.Cohort)
	}
	var proof round.Proof
	if w.Proof != nil {
		st, err := proto.OpenProof(w.Proof, swarm, author)
		if err != nil {
			return round.Update{}, fmt.Errorf("update's proof of membership: %w", err)
		}
		proof = round.Proof{Signer: round.Key(st.Signer), Invite: round.Key(st.Invite), Uses: st.Uses, Renewed: st.Renewed}
	}
	return round.Update{
		ID: proto.Sum(e.Payload), Author: author, Proof: proof, Parent: parent, Height: w.Height, Seq: w.Seq, Tokens: w.Tokens,
		High: w.High, Payload: payload, Size: w.PayloadSize, Loss: w.Loss,
		Exchange: time.Duration(w.ExchangeMs) * time.Millisecond, StepTime: time.Duration(w.StepUs) * time.Microsecond,
	}, nil
}

// enclosed is what a commit's content holds whole.
type enclosed struct {
	evidence []*murmurv1.Evidence
	notices  []*murmurv1.Envelope
}

// encodeContent returns the bytes that a commit's id covers.
func encodeContent(swarm proto.ID, c round.Commit, with enclosed) []byte {
	w := &murmurv1.Content{
		Swarm: swarm[:], Parent: c.Parent[:], Height: c.Height, Evidence: with.evidence, Notices: with.notices, NextH: c.NextH, Target: c.Target,
		Cursor: c.Cursor, Tokens: c.Tokens, StateRoot: c.Root[:], Skip: c.Skip[:],
	}
	for _, id := range c.Updates {
		w.Updates = append(w.Updates, id[:])
	}
	invited := slices.ContainsFunc(c.Roster, func(m round.Member) bool { return m.Invite != "" })
	for _, m := range c.Roster {
		if invited {
			w.RosterInvite = append(w.RosterInvite, []byte(m.Invite))
		}
		w.Roster = append(w.Roster, []byte(m.Peer))
		w.RosterAge, w.RosterSeen = append(w.RosterAge, m.Age), append(w.RosterSeen, m.Seen)
	}
	return proto.Encode(w)
}

// maxRoster peers are in a commit's roster: the authors of three commits.
const maxRoster = 3 * proto.MaxUpdates

// decodeContent reads a commit's content and what it holds whole. The notices'
// signatures are checked, the evidence's are not yet.
func decodeContent(swarm proto.ID, b []byte) (c round.Commit, with enclosed, err error) {
	var w murmurv1.Content
	if err := proto.Decode(b, proto.MaxCommit, &w); err != nil {
		return c, with, err
	}
	c = round.Commit{ID: proto.Sum(b), Height: w.Height, NextH: w.NextH, Target: w.Target, Cursor: w.Cursor, Tokens: w.Tokens}
	switch {
	case string(w.Swarm) != string(swarm[:]):
		return c, with, errors.New("commit of another swarm")
	case w.Height == 0:
		return c, with, errors.New("commit in genesis' place")
	case len(w.Updates) > proto.MaxUpdates || len(w.Evidence) > proto.MaxEvidence || len(w.Roster) > maxRoster || len(w.Roster) != len(w.RosterAge) ||
		len(w.Roster) != len(w.RosterSeen) || len(w.RosterInvite) > 0 && len(w.RosterInvite) != len(w.Roster) || len(w.Notices) > proto.MaxNotices:
		return c, with, errors.New("commit with lists out of bounds")
	}
	if c.Parent, err = proto.IDFrom(w.Parent); err != nil {
		return c, with, fmt.Errorf("commit's parent: %w", err)
	}
	if c.Root, err = proto.IDFrom(w.StateRoot); err != nil {
		return c, with, fmt.Errorf("commit's state root: %w", err)
	}
	if c.Skip, err = proto.IDFrom(w.Skip); err != nil {
		return c, with, fmt.Errorf("commit's snapshot height below: %w", err)
	}
	for _, u := range w.Updates {
		id, err := proto.IDFrom(u)
		if err != nil {
			return c, with, fmt.Errorf("commit's list: %w", err)
		}
		c.Updates = append(c.Updates, id)
	}
	for i, p := range w.Roster {
		if len(p) == 0 || len(p) > proto.MaxPeerBytes {
			return c, with, errors.New("commit with an empty or overlong peer id")
		}
		c.Roster = append(c.Roster, round.Member{Peer: proto.PeerID(p), Age: w.RosterAge[i], Seen: w.RosterSeen[i]})
	}
	for i, k := range w.RosterInvite {
		if len(k) > proto.MaxPeerBytes {
			return c, with, errors.New("commit with an overlong key")
		}
		c.Roster[i].Invite = round.Key(k)
	}
	for _, e := range w.Evidence {
		if e.GetFirst() == nil || e.GetSecond() == nil {
			return c, with, errors.New("commit with half an evidence")
		}
		c.Evidence = append(c.Evidence, [2]proto.ID{proto.Sum(e.First.Payload), proto.Sum(e.Second.Payload)})
	}
	for _, e := range w.Notices {
		n, err := DecodeNotice(swarm, e)
		if err != nil {
			return c, with, err
		}
		c.Notices = append(c.Notices, n)
	}
	for _, e := range w.Evidence {
		with.evidence = append(with.evidence, &murmurv1.Evidence{First: bare(e.First), Second: bare(e.Second)})
	}
	for _, e := range w.Notices {
		with.notices = append(with.notices, bare(e))
	}
	if !bytes.Equal(encodeContent(swarm, c, with), b) {
		return c, with, errors.New("commit is not written as this version writes it: else one content had many ids")
	}
	return c, with, nil
}

// bare is an envelope without fields that this version does not know.
func bare(e *murmurv1.Envelope) *murmurv1.Envelope {
	return &murmurv1.Envelope{Payload: e.Payload, Key: e.Key, Sig: e.Sig}
}

// DecodeNotice checks a notice's signature and reads it. Whether its signer counts
// is the chain's to say.
func DecodeNotice(swarm proto.ID, e *murmurv1.Envelope) (round.Notice, error) {
	w, signer, err := proto.OpenNotice(e, swarm)
	if err != nil {
		return round.Notice{}, err
	}
	n := round.Notice{ID: proto.Sum(e.Payload), Subject: string(w.Subject), Signer: round.Key(signer)}
	switch w.Kind {
	case murmurv1.Notice_PEER:
		n.Kind = round.RevokePeer
	case murmurv1.Notice_INVITE:
		n.Kind = round.RevokeInvite
	case murmurv1.Notice_NEW_KEY:
		n.Kind = round.NewKey
	case murmurv1.Notice_DROP_KEY:
		n.Kind = round.DropKey
	default:
		return n, fmt.Errorf("notice of kind %d, which this version does not know", w.Kind)
	}
	return n, nil
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
