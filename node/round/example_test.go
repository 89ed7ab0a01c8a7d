package round_test

import (
	"fmt"
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
)

// A driver of one node alone: it learns, publishes, closes its round, and goes on from what it closed.
func ExampleMachine() {
	swarm := proto.Sum([]byte("an example"))
	genesis := round.Genesis(swarm, proto.Sum([]byte("the first state")), 10, 512)
	contract := &round.Contract{}
	m, err := round.New(round.Config{
		Self: "a", Swarm: swarm, StepTokens: 512, SeqLen: 32, MaxPayload: 1 << 20, StateSize: 1 << 20, HMin: 1, HMax: 100,
		Min: time.Second, Max: 10 * time.Minute, Grace: 5 * time.Second, ViewTimeout: 5 * time.Second, Snapshot: 20, MaxUpdates: 64,
		Contract: contract,
	}, round.State{Base: genesis, Head: genesis.ID, Alone: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	var now time.Duration
	var step func(round.Event)
	step = func(e round.Event) {
		for _, effect := range m.Step(now, e) {
			switch e := effect.(type) {
			case round.Publish: // what was learned is encoded, and made durable
				u := round.Update{
					ID: proto.Sum(fmt.Appendf(nil, "update %d", e.Seq)), Author: "a", Parent: e.Parent, Height: e.Height, Seq: e.Seq,
					Tokens: e.Max, Payload: proto.Sum(fmt.Appendf(nil, "payload %d", e.Seq)), Size: 1000,
				}
				fmt.Println("publishes an update for height", e.Height)
				step(round.Published{Update: u, Covers: e.Max})
			case round.Build: // the updates are applied, and the commit is made durable
				c := e.Draft
				c.Root = proto.Sum(fmt.Appendf(nil, "state %d", c.Height))
				c.ID = proto.Sum(fmt.Appendf(nil, "commit %d", c.Height))
				step(round.Built{Commit: c})
			case round.Adopt: // the model moves
				fmt.Println("adopts height", e.To.Height, "with", len(e.Included), "update")
			}
		}
	}
	step(round.Settled{})
	step(round.Training{On: true})
	for learned := uint64(0); m.Status().Head.Height < 2 && now < time.Hour; now += round.TickEvery {
		learned += 512
		step(round.Progress{Total: learned, Rate: 512 / round.TickEvery.Seconds()})
		step(round.Tick{})
	}
	fmt.Println("owes answers:", contract.Open("Publish")+contract.Open("Build"), contract.Err())
	// Output:
	// publishes an update for height 1
	// adopts height 1 with 1 update
	// publishes an update for height 2
	// adopts height 2 with 1 update
	// owes answers: 0 <nil>
}
