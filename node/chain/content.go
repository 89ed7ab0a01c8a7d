package chain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// updateOf is an update as rounds see it.
func updateOf(w wire.Update) round.Update {
	var proof round.Proof
	if w.Proof != nil {
		proof = round.Proof{
			Signer: round.Key(w.Standing.Signer), Invite: round.Key(w.Standing.Invite), Uses: w.Standing.Uses, Renewed: w.Standing.Renewed,
		}
	}
	return round.Update{
		ID: w.ID, Author: w.Author, Proof: proof, Parent: w.Parent, Height: w.Height, Seq: w.Seq, Tokens: w.Tokens,
		High: w.High, Payload: w.Payload, Size: w.Size, Loss: w.Loss, Exchange: w.Exchange, StepTime: w.StepTime,
	}
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
// signatures are checked by open, the evidence's are not yet.
func decodeContent(swarm proto.ID, b []byte, open func(proto.ID, *murmurv1.Envelope) (wire.Notice, error)) (c round.Commit, with enclosed, err error) {
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
		n, err := open(swarm, e)
		if err != nil {
			return c, with, err
		}
		c.Notices = append(c.Notices, noticeOf(n))
	}
	with = enclosed{w.Evidence, w.Notices} // without fields that this version does not know
	if !bytes.Equal(encodeContent(swarm, c, with), b) {
		return c, with, errors.New("commit is not written as this version writes it: else one content had many ids")
	}
	return c, with, nil
}

// kinds are a notice's on the wire and as rounds see them.
var kinds = map[murmurv1.Notice_Kind]round.NoticeKind{
	murmurv1.Notice_PEER: round.RevokePeer, murmurv1.Notice_INVITE: round.RevokeInvite,
	murmurv1.Notice_NEW_KEY: round.NewKey, murmurv1.Notice_DROP_KEY: round.DropKey,
}

func noticeOf(w wire.Notice) round.Notice {
	return round.Notice{ID: w.ID, Kind: kinds[w.Kind], Subject: w.Subject, Signer: round.Key(w.Signer)}
}
