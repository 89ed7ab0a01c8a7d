package tui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/health"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// noon is when all stories are told.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// stories are nodes as people meet them.
var stories = map[string]func() screen{
	"lively":  lively,
	"paused":  paused,
	"alone":   alone,
	"joining": joining,
	"crowd":   func() screen { return crowd(200) },
}

// peer is a made-up peer id.
func peer(n int) proto.PeerID {
	key := proto.Sum(fmt.Appendf(nil, "peer %d", n))
	return proto.PeerID("\x00\x24\x08\x01\x12\x20" + string(key[:]))
}

func lively() screen {
	week, err := policy.ParseWeek("mon-fri 8:00-22:00, sat-sun 0-24")
	if err != nil {
		panic(err)
	}
	s := screen{now: noon}
	s.state = api.State{
		Version: "0.1.0", Name: "reading-circle", Peer: peer(0), Started: noon.Add(-27 * time.Hour),
		Reason: "training", Why: "training", Source: "the settings", Until: noon.Add(10 * time.Hour),
		Head:    api.Head{Height: 1204, Tokens: 1_234_567_890, Roster: 4},
		Round:   api.Round{Seconds: 12.4, Active: 4, H: 24},
		Trainer: api.Trainer{Up: true, Backend: "xla:cuda", Device: "Example 4090", Params: 25_000_000, TokensPerSec: 21_400, Loss: 3.214, Restarts: 1},
		Devices: []api.Device{
			{Name: "Example 4090", Celsius: 64, Watts: 287, Memory: 9 << 30, Total: 24 << 30, Others: 0.04},
			{Name: "processor", Celsius: 51, Memory: 5 << 30, Total: 32 << 30},
		},
		Share:    api.Share{Updates: 1190, Tokens: 330_000_000, Recent: strings.Repeat("+", 47) + "~-+"},
		Traffic:  api.Traffic{BytesIn: 5_100_000_000, BytesOut: 5_300_000_000, Necessary: 4_800_000_000, AllReduce: 1_200_000_000_000, Protocols: map[string]api.Bytes{"/murmur/SWARM/blob/1": {In: 4_850_000_000, Out: 5_000_000_000}, "/murmur/SWARM/meshsub/1.3.0": {In: 150_000_000, Out: 200_000_000}, "": {In: 90_000, Out: 80_000}}, Dropped: map[string]uint64{"validation queue full": 3}},
		Reach:    api.Reach{Verdict: "public"},
		Limits:   api.Limits{UpMbit: 20, MonthGB: 400},
		Policy:   policy.Settings{Compute: week},
		Usage:    api.Usage{Month: "2026-11", Bytes: 123_000_000_000},
		Schedule: api.Schedule{TotalTokens: 10_000_000_000},
		Process:  api.Process{Memory: 48_000_000, Disk: 1_350_000_000},
		Sends:    []string{"to peers: updates of the model, this node's speed, backend and version", "to nobody: files, names, what else runs here"},
		Heldout:  &api.Heldout{Height: 1200, Loss: 3.1875, By: peer(1)},
		Peers: ranked([]api.Peer{
			{ID: peer(1), Connected: true, Path: "lan", RTTMillis: 0.6, Agent: "murmur/0.1.0", State: "training", Why: "training", Seen: noon.Add(-2 * time.Second), Height: 1204, Rate: 18_200, Backend: "xla:cuda", Share: api.Share{Updates: 1204, Tokens: 410_000_000, Recent: strings.Repeat("+", 50)}},
			{ID: peer(2), Connected: true, Path: "direct", RTTMillis: 43, Agent: "murmur/0.1.0", State: "training", Why: "training", Seen: noon.Add(-4 * time.Second), Height: 1203, Lag: 1, Rate: 1_340, Backend: "xla:cpu", Share: api.Share{Updates: 900, Tokens: 41_000_000, Recent: strings.Repeat(".", 20) + strings.Repeat("+~", 15)}},
			{ID: peer(3), Connected: true, Path: "relayed", RTTMillis: 212, Agent: "murmur/0.0.9-rc1+local.build", State: "paused", Why: "paused", Seen: noon.Add(-time.Second), Height: 1204, Backend: "xla:cpu", Share: api.Share{Updates: 12, Tokens: 500_000, Recent: "++-."}},
			{ID: peer(4), State: api.Gone, Why: "no heartbeat of it comes any more", Seen: noon.Add(-8 * time.Minute), Height: 1170, Lag: 34, Share: api.Share{Updates: 33, Tokens: 1_200_000, Recent: strings.Repeat("+", 16) + strings.Repeat("-", 3) + strings.Repeat(".", 31)}},
			{ID: peer(5), Connected: true, Path: "direct", RTTMillis: 71, Agent: "murmur/0.1.0", State: "training", Why: "training", Seen: noon, Height: 1204, Rate: 990, Share: api.Share{Recent: "---"}, Flag: "two updates for one parent"},
		}),
	}
	for h := uint64(1); h <= 60; h++ {
		s.curve = append(s.curve, api.Heldout{Height: h * 20, Loss: 3 + 6*math.Exp(-float64(h)/12) + 0.1*math.Sin(float64(h)), By: peer(int(h % 4))})
	}
	for h := uint64(1100); h <= 1204; h++ {
		o := api.Outcome{Height: h, Seconds: 12 + float64(h%7)/3, Loss: 3.3 - float64(h-1100)/1000, Included: []proto.PeerID{peer(0), peer(1), peer(2), peer(3)}, Closer: peer(int(h % 4))}
		switch h % 10 {
		case 3:
			o.Included, o.Missing, o.Late = o.Included[:3], []proto.PeerID{peer(3)}, []proto.PeerID{peer(3)}
		case 7:
			o.Included, o.Missing, o.Late = o.Included[1:3], []proto.PeerID{peer(0), peer(3)}, []proto.PeerID{peer(0)}
		}
		s.rounds = append(s.rounds, o)
		s.events = append(s.events, event.Event{Seq: h, Time: noon.Add(time.Duration(h) * 13 * time.Second).Add(-1205 * 13 * time.Second), Kind: event.Round, Height: h, Text: fmt.Sprintf("round %d: %d of 4 updates in, closed by %s", h, len(o.Included), o.Closer.Short())})
	}
	s.events = append(s.events, event.Event{Seq: 1205, Time: noon, Kind: event.Peer, Text: "a peer says that the commit it names was made by others than those that the roster of its parent lists; it is asked again"})
	return s
}

// paused is a node that rests by hand, with something wrong besides.
func paused() screen {
	s := lively()
	s.state.Reason, s.state.Why, s.state.Source, s.state.Until = "paused", "paused by hand until 18:30, or murmur resume", "a person", noon.Add(390*time.Minute)
	s.state.Policy.Pause = policy.Pause{On: true, Until: noon.Add(390 * time.Minute)}
	s.state.Trainer = api.Trainer{}
	s.state.Health = []health.Condition{
		{ID: "relayed", Severity: health.Warning, Text: "all peers are behind relays: payloads come by nobody", Do: "open port 4101 (UDP) at the router, or have the swarm run a murmur seed", Since: noon.Add(-26 * time.Hour)},
		{ID: "disk", Severity: health.Problem, Text: "the disk cannot be used: no space left on device", Do: "make room, or see to the disk; it is tried again by itself", Since: noon.Add(-3 * time.Minute)},
	}
	return s
}

// alone is a node that reaches nobody.
func alone() screen {
	s := lively()
	st := &s.state
	st.Trainer = api.Trainer{Up: true, Backend: "go:parallelism=-1", Device: "CPU", TokensPerSec: 310, Loss: 5.5, Refusals: []string{"xla:cuda: no NVIDIA driver is loaded on this machine"}}
	st.Peers, st.Heldout, st.Traffic, st.Devices = nil, nil, api.Traffic{}, nil
	st.Head, st.Round, st.Share, st.Started = api.Head{}, api.Round{Active: 1, H: 24, Seconds: 40}, api.Share{}, noon.Add(-2*time.Minute)
	st.Reach = api.Reach{Verdict: "unknown", Refusal: "no invite of this swarm was shown", Tried: []api.Attempt{
		{Addr: "/ip4/192.0.2.7/udp/4101/quic-v1", Why: "no answer within 5 s", At: noon.Add(-9 * time.Second)},
		{Addr: "/dns4/ada.example/udp/4101/quic-v1", Why: "the name is not known", At: noon.Add(-31 * time.Second)},
	}}
	st.Health = []health.Condition{{ID: "alone", Severity: health.Problem, Text: "no other node is reached", Do: "see in murmur status what was tried; give an address with murmur up --bootstrap, or wait for others", Since: noon.Add(-time.Minute)}}
	s.curve, s.rounds, s.events = nil, nil, nil
	return s
}

// joining is a node that has no model yet.
func joining() screen {
	s := alone()
	old := s.state
	s.state = api.State{
		Version: old.Version, Peer: old.Peer, Started: noon.Add(-5 * time.Second), Limits: old.Limits, Usage: old.Usage, Process: old.Process, Peers: lively().state.Peers[1:2],
		Reason: "joining", Why: "fetching the shared model: 34 of 100 MB from 3 peers", Source: "the daemon",
	}
	s.events = []event.Event{{Seq: 1, Time: noon, Kind: event.Node, Text: "the swarm is found"}}
	return s
}

// crowd is a swarm of many, with all that can be wrong with one of them.
func crowd(n int) screen {
	s := lively()
	kinds := s.state.Peers // flagged, near, slow, paused, gone
	s.state.Peers = nil
	for i := range n {
		p := kinds[1+i%2]
		switch {
		case i%50 == 7:
			p = kinds[0]
		case i%10 == 4:
			p = kinds[3]
		case i%20 == 9:
			p = kinds[4]
		}
		p.ID, p.RTTMillis = peer(100+i), float64(i)
		s.state.Peers = append(s.state.Peers, p)
	}
	s.state.Peers, s.state.Round.Active = ranked(s.state.Peers), n/2
	for i := range s.rounds {
		s.rounds[i].Included = nil
		for k := range 30 {
			s.rounds[i].Included = append(s.rounds[i].Included, peer(100+k))
		}
	}
	return s
}
