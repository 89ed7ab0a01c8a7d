package exchange

import (
	"context"
	"errors"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/gossip"
	"github.com/murmurnet/murmur/proto"
)

func (x *Exchange) announceUpdate(ctx context.Context, id proto.ID) {
	if e := x.p.Book.Envelope(id); e != nil {
		x.said(x.p.Net.PublishUpdate(ctx, e))
	}
}

func (x *Exchange) announce(ctx context.Context, id proto.ID) {
	if e := x.p.Book.Announcement(id); e != nil {
		x.said(x.p.Net.PublishAnnounce(ctx, e))
	}
}

func (x *Exchange) beat(ctx context.Context) {
	x.said(x.p.Net.PublishHeartbeat(ctx, x.p.Status.Heartbeat(time.Now())))
}

func (x *Exchange) said(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		x.p.Log.Warn("Announcement did not leave this node", "error", err)
	}
}

// Listen turns gossip into events until ctx ends.
func (x *Exchange) Listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-x.p.Net.Messages():
			if !ok {
				return
			}
			x.hear(ctx, m)
		}
	}
}

func (x *Exchange) hear(ctx context.Context, m gossip.Message) {
	switch {
	case m.Author == x.p.Self:
	case m.Update != nil:
		x.p.Post(ctx, round.Seen{Update: x.p.Book.AddUpdate(*m.Update)})
	case m.Announce != nil:
		a := m.Announce
		x.p.Post(ctx, round.Announced{Commit: a.Commit, Parent: a.Parent, Height: a.Height, View: a.View, Closer: a.Closer})
	case m.Heartbeat != nil:
		h := m.Heartbeat
		head, err := proto.IDFrom(h.Head)
		if err != nil {
			return
		}
		x.p.Status.Heard(m.Author, h, time.Now())
		x.p.Told(api.Heldout{Height: h.HeldoutHeight, Loss: h.HeldoutLoss, By: m.Author})
		x.p.Post(ctx, round.Heartbeat{
			From: m.Author, Head: head, Height: h.Height, Tokens: h.Tokens, Rate: h.Rate, Paused: h.Paused, Done: h.Done,
			Leaving:  h.State == string(policy.Leaving),
			Interval: time.Duration(h.IntervalMs) * time.Millisecond,
		})
	}
}
