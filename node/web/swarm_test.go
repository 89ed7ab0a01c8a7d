package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// swarm is a made-up node of a made-up swarm: what it says is drawn from a seed, and goes on by
// step. Its rounds are those of a recording, so there may be more than a daemon keeps.
type swarm struct {
	mu       sync.Mutex
	draw     *rand.Rand
	state    api.State
	rounds   []api.Outcome
	curve    []api.Heldout
	events   []event.Event
	finished bool
	measured uint64 // every so many rounds the loss is taken
}

const (
	roundSeconds = 31
	kept         = 256 // rounds with all that is known of them, as a daemon has
)

func peerID(n int) proto.PeerID {
	sum := proto.Sum(fmt.Appendf(nil, "peer %d", n))
	return proto.PeerID("\x00\x24\x08\x01\x12\x20" + string(sum[:]))
}

func newSwarm(peers, rounds int, measured uint64) *swarm {
	s := &swarm{draw: rand.New(rand.NewPCG(1, 2)), measured: measured}
	now := time.Now()
	s.state = api.State{
		Version: "0.8.0", Name: "reading-circle", Swarm: proto.Sum([]byte("swarm")), Peer: peerID(0), Started: now.Add(-50 * time.Hour),
		Link:   "murmur:bafkr4ie6fictional?a=/ip4/192.0.2.7/udp/4101/quic-v1",
		Reason: string(policy.Training), Why: "training", Source: "the settings",
		Trainer: api.Trainer{Up: true, Pid: 4711, Backend: "xla:cuda", Device: "Example GPU 24G", Params: 124_439_808, Steps: 48_112, TokensPerSec: 41_870},
		Devices: []api.Device{
			{Name: "Example GPU 24G", Celsius: 67, Watts: 214, Memory: 9_400_000_000, Total: 25_769_803_776},
			{Name: "Processor", Celsius: 52, Others: 0.12},
		},
		Reach:    api.Reach{Verdict: "public"},
		Limits:   api.Limits{UpMbit: 20, MonthGB: 200},
		Usage:    api.Usage{Month: now.Format("2006-01"), Bytes: 31_415_926_535},
		Schedule: api.Schedule{TotalTokens: 10_000_000_000},
		Process:  api.Process{Memory: 48_000_000, Heap: 21_000_000, Goroutines: 214, Disk: 3_100_000_000},
		Sends:    []string{"what this node learned, to all members", "its address, to members and the public DHT", "heartbeats with its speed and murmur's version"},
		Traffic:  api.Traffic{Protocols: map[string]api.Bytes{}, Dropped: map[string]uint64{}},
		Round:    api.Round{H: 30, Active: peers + 1},
	}
	for i := range peers {
		s.state.Peers = append(s.state.Peers, api.Peer{
			ID: peerID(i + 1), Connected: true, Path: []string{"direct", "lan", "direct", "relayed"}[i%4], RTTMillis: []float64{38, 0.6, 121, 240}[i%4],
			Agent: "murmur/0.8.0", State: string(policy.Training), Why: "training", Seen: now, Rate: 1000 + 40_000*s.draw.Float64(), Backend: "xla:cuda",
		})
	}
	began := now.Add(-time.Duration(rounds) * roundSeconds * time.Second)
	for h := range rounds {
		s.round(began.Add(time.Duration(h+1) * roundSeconds * time.Second))
	}
	s.say(event.Node, "the node has started")
	s.say(event.Peer, s.state.Peers[0].ID.Short()+" is connected, direct")
	s.say(event.Trainer, "the trainer is up on xla:cuda")
	return s
}

// round ends one: each node is in it, but for now and then one whose line is slow or is not there.
func (s *swarm) round(at time.Time) {
	height := s.state.Head.Height + 1
	o := api.Outcome{Height: height, Seconds: roundSeconds - 1 + 2*s.draw.Float64(), Closer: s.state.Peer, Loss: lossAt(height) + 0.02*s.draw.NormFloat64()}
	o.Stages = api.Stages{Due: at.Add(-3 * time.Second), Published: at.Add(-2 * time.Second), Adopted: at, Applied: at}
	took := func(id proto.PeerID, share *api.Share, slow float64, there bool) {
		letter := api.InRound
		switch luck := s.draw.Float64(); {
		case !there:
			letter = api.NoRound
		case luck < slow:
			letter = api.LateRound
			o.Missing, o.Late = append(o.Missing, id), append(o.Late, id)
		case luck < 1.4*slow:
			letter = api.OutRound
			o.Missing = append(o.Missing, id)
		default:
			o.Included = append(o.Included, id)
			share.Updates++
			share.Tokens += uint64(300_000 + s.draw.IntN(100_000))
			s.state.Head.Tokens += 350_000
		}
		share.Recent += string(letter)
		share.Recent = share.Recent[max(0, len(share.Recent)-50):]
	}
	took(s.state.Peer, &s.state.Share, 0.01, s.state.Reason == string(policy.Training))
	for i := range s.state.Peers {
		p := &s.state.Peers[i]
		took(p.ID, &p.Share, []float64{0.01, 0.02, 0.05, 0.2}[i%4], p.State == string(policy.Training))
		if p.State != api.Gone {
			p.Height = height
		}
	}
	s.rounds = append(s.rounds, o)
	st := &s.state
	st.Head.Height, st.Round.Seconds, st.Round.Last = height, 0, o
	st.Head.ID, st.Head.StateRoot = proto.Sum(fmt.Appendf(nil, "head %d", height)), proto.Sum(fmt.Appendf(nil, "root %d", height))
	st.Head.Roster, st.Counts.Rounds = len(o.Included), st.Counts.Rounds+1
	st.Traffic.Necessary += uint64(len(o.Included)) * 15_600_000
	st.Traffic.AllReduce += uint64(len(o.Included)) * 9_000_000_000
	st.Traffic.BytesIn = st.Traffic.Necessary * 106 / 100
	st.Traffic.BytesOut = st.Traffic.Necessary * 98 / 100
	st.Traffic.Protocols["/murmur/SWARM/blob/1"] = api.Bytes{In: st.Traffic.Necessary * 101 / 100, Out: st.Traffic.Necessary * 94 / 100}
	st.Traffic.Protocols["/meshsub/1.2.0"] = api.Bytes{In: st.Traffic.Necessary * 4 / 100, Out: st.Traffic.Necessary * 3 / 100}
	st.Trainer.Loss = o.Loss
	if len(s.rounds) > kept {
		old := &s.rounds[len(s.rounds)-1-kept]
		old.Included, old.Missing, old.Late = nil, nil, nil // or the recording would be too long
	}
	if height%s.measured == 0 {
		p := api.Heldout{Height: height, Loss: lossAt(height) + 0.05, By: peerID(int(height) % (len(st.Peers) + 1))}
		s.curve, st.Heldout = append(s.curve, p), &p
	}
}

func lossAt(height uint64) float64 { return 2.9 + 7.9*math.Exp(-math.Pow(float64(height)/40, 0.5)) }

func (s *swarm) say(kind event.Kind, text string) {
	s.events = append(s.events, event.Event{Seq: uint64(len(s.events) + 1), Time: time.Now(), Kind: kind, Height: s.state.Head.Height, Text: text})
}

// change has something happen.
func (s *swarm) change(f func(*swarm)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// tick is what a second changes; each round is over after some.
func (s *swarm) tick(perRound int) {
	s.change(func(s *swarm) {
		s.state.Round.Seconds++
		s.state.Trainer.TokensPerSec *= 0.99 + 0.02*s.draw.Float64()
		for i := range s.state.Devices {
			s.state.Devices[i].Celsius += s.draw.Float64() - 0.5
		}
		for i := range s.state.Peers {
			p := &s.state.Peers[i]
			if p.State == api.Gone {
				continue
			}
			p.RTTMillis *= 0.9 + 0.2*s.draw.Float64()
			p.Rate *= 0.95 + 0.1*s.draw.Float64()
			p.Seen = time.Now()
		}
		if int(s.state.Round.Seconds)%perRound == 0 {
			s.round(time.Now())
			s.say(event.Round, fmt.Sprintf("round %d ended with %d updates", s.state.Head.Height, s.state.Head.Roster))
		}
	})
}

// gone has a peer's heartbeats cease.
func (s *swarm) gone(n int) {
	s.change(func(s *swarm) {
		p := &s.state.Peers[n]
		p.Connected, p.Path, p.RTTMillis, p.Rate = false, "", 0, 0
		p.State, p.Why = api.Gone, "no heartbeat of it comes any more"
		s.state.Round.Active--
		s.say(event.Peer, p.ID.Short()+" is gone")
	})
}

// starting is a node that has nothing yet.
func starting() *swarm {
	return &swarm{draw: rand.New(rand.NewPCG(1, 2)), state: api.State{Version: "0.8.0", Reason: "joining", Why: "fetching the swarm's manifest", Source: "the daemon", Peer: peerID(0), Peers: []api.Peer{}}}
}

// trouble makes a page with something of everything.
func (s *swarm) trouble() {
	s.gone(1)
	s.change(func(s *swarm) {
		s.state.Peers[3].Flag = "two updates for one round"
		s.state.Peers[3].Lag = 2
		s.state.Health = []health.Condition{
			{ID: "relayed", Severity: health.Warning, Text: "all peers are behind relays: payloads come by nobody", Do: "open port 4101 (UDP) at the router, or have the swarm run a murmur seed", Since: time.Now().Add(-9 * time.Minute)},
			{ID: "disk", Severity: health.Problem, Text: "the disk cannot be used: no space left", Do: "make room, or see to the disk; it is tried again by itself", Since: time.Now().Add(-3 * time.Hour)},
		}
	})
}

func (s *swarm) State() api.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Peers = slices.Clone(st.Peers)
	st.Devices = slices.Clone(st.Devices)
	st.Traffic.Protocols = maps.Clone(st.Traffic.Protocols)
	return st
}

func (s *swarm) Events(since uint64) []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events[min(since, uint64(len(s.events))):])
}

func (s *swarm) Rounds(since uint64) []api.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rounds[min(since, uint64(len(s.rounds))):])
}

func (s *swarm) States() []api.Held { return nil }

func (s *swarm) Curve(since uint64) []api.Heldout {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.curve, func(p api.Heldout) bool { return p.Height > since })
	if at < 0 {
		return nil
	}
	return slices.Clone(s.curve[at:])
}

func (s *swarm) ChangeSettings(f func(*policy.Settings)) error {
	s.change(func(s *swarm) {
		st := &s.state
		f(&st.Policy)
		d := policy.Decide(policy.Facts{Now: time.Now(), Settings: st.Policy, TrainerUp: true})
		st.Reason, st.Why, st.Source, st.Until = string(d.Reason), d.Why, d.Source, d.Until
		st.Trainer.Up = d.Train
		s.say(event.Node, d.Why)
	})
	return nil
}

func (s *swarm) SetLimits(l api.Limits) error {
	s.change(func(s *swarm) { s.state.Limits = l })
	return nil
}

func (s *swarm) Finish() {
	s.change(func(s *swarm) {
		s.finished = true
		s.state.Reason, s.state.Why, s.state.Source = string(policy.Leaving), "the daemon is shutting down", "the daemon"
	})
}

var errNotHere = errors.New("the page does not ask for that")

func (s *swarm) Members() []api.Member                         { return nil }
func (s *swarm) Revoke(proto.PeerID) error                     { return errNotHere }
func (s *swarm) Rotate(bool) error                             { return errNotHere }
func (s *swarm) Heldout(context.Context) (api.Heldout, error)  { return api.Heldout{}, errNotHere }
func (s *swarm) Keep(context.Context, int64) (api.Kept, error) { return api.Kept{}, errNotHere }
func (s *swarm) Generate(context.Context, api.Generate, func(string)) error {
	return errNotHere
}
