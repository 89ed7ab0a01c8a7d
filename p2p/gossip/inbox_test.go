package gossip

import (
	"testing"

	"github.com/murmurnet/murmur/proto/prototest"
	"github.com/murmurnet/murmur/proto/wire"
)

func TestInboxDropsHeartbeatsFirst(t *testing.T) {
	var d drops
	b := newInbox(&d)
	b.push(Message{Update: &wire.Update{Seq: 1}})
	for i := range uint64(maxInbox + 5) {
		b.push(Message{Heartbeat: prototest.Heartbeat(i)})
	}
	if got := d.all()["unread"]; got != 6 {
		t.Errorf("%d were dropped, want 6", got)
	}
	m, _ := b.pop()
	if m.Update == nil {
		t.Error("the update was dropped")
	}
	if m, _ = b.pop(); m.Heartbeat.GetTokens() != 6 {
		t.Errorf("the oldest heartbeat left is %d, want 6", m.Heartbeat.GetTokens())
	}
	for range maxInbox + 1 {
		b.push(Message{Update: &wire.Update{Seq: 1}})
	}
	if len(b.queue) > maxInbox {
		t.Errorf("%d messages wait", len(b.queue))
	}
}
