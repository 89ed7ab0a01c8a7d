package node

import (
	"testing"
	"time"
)

func TestAlive(t *testing.T) {
	n := &Node{start: time.Now().Add(-time.Hour)}
	if !n.alive() {
		t.Error("a node that waits for its swarm is not alive")
	}
	n.turned.Store(int64(time.Hour - time.Second))
	if !n.alive() {
		t.Error("a loop that came round a second ago is not alive")
	}
	n.turned.Store(int64(time.Hour - maxTurn - time.Second))
	if n.alive() {
		t.Error("a loop that hangs is alive")
	}
}
