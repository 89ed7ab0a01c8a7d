package manifest

import (
	"time"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Outer is the swarm's method.
func (m Manifest) Outer() (outer.Method, error) {
	var tensors []outer.Tensor
	for _, t := range m.Model.Layout() {
		tensors = append(tensors, outer.Tensor{Shape: t.Shape, Layer: t.Block})
	}
	return outer.New(outer.Params{Tensors: tensors, Settings: m.Method, Optimizer: m.Inner.AdamW, Schedule: m.Inner.Schedule})
}

// Round is the round machine's configuration, for a node of a swarm; tag is how many bytes of a payload say whose it is.
func (m Manifest) Round(method outer.Method, swarm proto.ID, self proto.PeerID, tag int) round.Config {
	ms := func(v uint32) time.Duration { return time.Duration(v) * time.Millisecond }
	r := m.Rounds
	var paces []round.Pace
	for _, p := range m.Method.Schedule {
		if p.H > 0 {
			paces = append(paces, round.Pace{Tokens: p.Tokens, H: p.H})
		}
	}
	members := round.Membership{Peers: m.Membership.Members}
	for _, k := range m.Membership.Public() {
		members.Keys = append(members.Keys, round.Key(k))
	}
	return round.Config{
		Self: self, Swarm: swarm, Membership: members,
		StepTokens: uint64(m.Inner.Batch) * uint64(m.Model.SeqLen), SeqLen: uint64(m.Model.SeqLen),
		MaxPayload: uint64(method.MaxPayload() + tag), StateSize: 4 * uint64(method.State()),
		HMin: r.HMin, HMax: r.HMax, Min: ms(r.MinMS), Max: ms(r.MaxMS), Grace: ms(r.GraceMS),
		ViewTimeout: ms(r.ViewTimeoutMS), Snapshot: uint64(r.SnapshotEvery), MaxUpdates: int(r.MaxUpdates), TotalTokens: m.Inner.TotalTokens, Paces: paces,
	}
}
