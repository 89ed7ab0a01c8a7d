package outer

import (
	"math"
	"slices"
	"testing"
)

// peer is one node of a swarm without a network: its trainer's model, and what it alone has.
type peer struct {
	own     *Feedback
	local   []float32
	learned []float64 // all that its trainer took off its model
	payload []byte
	sent    []Own // on the branch
}

// learn moves the model as an inner optimizer would: by a drift of its own, and noise.
func (p *peer) learn(drift []float32, s *noise) {
	for j, was := range p.local {
		p.local[j] = was - drift[j] - s.next(12)
		p.learned[j] += float64(was) - float64(p.local[j])
	}
}

// publish encodes what the peer learned, as a node does.
func (p *peer) publish(t *testing.T, r Round, theta []float32) {
	t.Helper()
	taken := slices.Clone(p.local)
	payload, moved, err := p.own.Encode(nil, r, theta, taken)
	if err != nil {
		t.Fatal(err)
	}
	if p.payload = payload; moved {
		for j, d := range taken {
			p.local[j] += d
		}
	}
}

// residual is what the peer has and its branch has not.
func (p *peer) residual(theta []float32) []float32 {
	d := make([]float32, len(theta))
	for j := range d {
		d[j] = theta[j] - p.local[j]
	}
	for j, b := range p.own.Buffer() {
		d[j] += b
	}
	return d
}

// Three nodes learn different things for thirty rounds, publish each, learn on before the commit comes, are left out of
// every third, and step over to a sibling commit without them now and then: own payloads on the branch and the residual
// are all that each learned, wherever the method keeps that.
func TestNothingLearnedIsLost(t *testing.T) {
	for _, v := range []variant{
		{"bitloco", Bitloco, nil},
		{"bitloco, 2 bits", Bitloco, func(s *Settings) { s.Bits = 2 }},
		{"bitloco, buffer", Bitloco, func(s *Settings) { s.Residual = ResidualBuffer }},
		{"sparseloco", SparseLoCo, func(s *Settings) { s.Decay = 1 }},
		{"sparseloco, in the model", SparseLoCo, func(s *Settings) { s.Residual, s.Decay = ResidualModel, 1 }},
		{"diloco, fp4", DiLoCo, func(s *Settings) { s.Values, s.OuterLR, s.Momentum = "fp4", 1, 0 }},
		{"fedavg", FedAvg, nil},
	} {
		t.Run(v.name, func(t *testing.T) { nothingIsLost(t, method(t, v.method, v.change)) })
	}
}

func nothingIsLost(t *testing.T, m Method) {
	const rounds = 30
	s := noise(9)
	n := size(tensors())
	head := grown(m, s.vector(n, 4))
	theta := head[:n]
	var swarm []*peer
	var drifts [][]float32
	for range 3 {
		swarm = append(swarm, &peer{own: NewFeedback(m, n, nil), local: slices.Clone(theta), learned: make([]float64, n)})
		drifts = append(drifts, s.vector(n, 12))
	}
	for round := range rounds {
		r := Round{Height: uint64(round + 1)}
		var updates []Update
		for i, p := range swarm {
			p.learn(drifts[i], &s)
			p.publish(t, r, theta)
			p.learn(drifts[i], &s) // while it travels
			if round%3 != i {
				updates = append(updates, Update{p.payload, uint64(100 * (i + 1))})
			}
		}
		after, beside := make([]float32, m.State()), make([]float32, m.State())
		if err := m.Apply(after, head, r, updates); err != nil {
			t.Fatal(err)
		}
		if err := m.Apply(beside, head, r, updates[:1]); err != nil {
			t.Fatal(err)
		}
		next, sibling := after[:n], beside[:n]
		for i, p := range swarm {
			var own []Own
			if round%3 != i {
				own = []Own{{r.Height, p.payload}}
			}
			var onSibling []Own
			if round%5 == 0 {
				if slices.Equal(p.payload, updates[0].Payload) {
					onSibling = own
				}
				follow(t, p, theta, sibling, nil, onSibling)
				follow(t, p, sibling, next, onSibling, own)
			} else {
				follow(t, p, theta, next, nil, own)
			}
			p.sent = append(p.sent, own...)
		}
		head, theta = after, next
	}
	for i, p := range swarm {
		sum := p.residual(theta)
		for _, u := range p.sent {
			if err := m.AddDecoded(sum, u.Height, u.Payload, 1); err != nil {
				t.Fatal(err)
			}
		}
		for j := range sum {
			if off := math.Abs(float64(sum[j]) - p.learned[j]); off > 2e-6 {
				t.Fatalf("node %d, parameter %d: sent and residual are %g, learned %g", i, j, sum[j], p.learned[j])
			}
		}
	}
}

func follow(t *testing.T, p *peer, from, to []float32, undo, redo []Own) {
	t.Helper()
	delta := make([]float32, len(from))
	if err := p.own.Move(delta, from, to, undo, redo); err != nil {
		t.Fatal(err)
	}
	if p.own.learning.Gradients {
		copy(p.local, delta)
		return
	}
	for j, d := range delta {
		p.local[j] += d
	}
}

// A restart finds d and buffer as they were saved, and takes them to another head.
func TestResume(t *testing.T) {
	for _, name := range []string{Bitloco, SparseLoCo, DisTrO} {
		t.Run(name, func(t *testing.T) {
			m, s := method(t, name, nil), noise(11)
			n := size(tensors())
			head, d, buffer := grown(m, s.vector(n, 4)), s.vector(n, 9), s.vector(n, 9)
			theta := head[:n]
			r := Round{Height: 1}
			payload, err := m.Encode(nil, r, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			after := make([]float32, m.State())
			if err := m.Apply(after, head, r, []Update{{payload, 5}}); err != nil {
				t.Fatal(err)
			}
			next := after[:n]
			if m.Learning().Residual == InModel {
				buffer = nil
			}
			if m.Learning().Gradients {
				d = nil // the model stays at the head
			}
			own := []Own{{1, payload}}
			stayed := &peer{own: NewFeedback(m, n, nil), local: slices.Clone(theta)}
			if err := stayed.own.Resume(stayed.local, d, buffer, nil, nil); err != nil {
				t.Fatal(err)
			}
			follow(t, stayed, theta, next, nil, own)
			again := &peer{own: NewFeedback(m, n, nil), local: slices.Clone(next)}
			if err := again.own.Resume(again.local, d, buffer, nil, own); err != nil {
				t.Fatal(err)
			}
			if far := off(stayed.local, again.local); far > 1e-8 {
				t.Errorf("the model differs by %g", far)
			}
			equalBits(t, again.own.Buffer(), stayed.own.Buffer())
		})
	}
}

// Where methods mix, a node keeps that share of its own values; the others move all the way.
func TestMixing(t *testing.T) {
	s := noise(12)
	m := method(t, Streaming, func(s *Settings) { s.Values = "fp32" })
	n := size(tensors())
	theta := grown(m, s.vector(n, 4))
	p := &peer{own: NewFeedback(m, n, nil), local: slices.Clone(theta[:n]), learned: make([]float64, n)}
	p.learn(s.vector(n, 9), &s)
	r := Round{Height: 1}
	p.publish(t, r, theta[:n])
	next := make([]float32, m.State())
	if err := m.Apply(next, theta, r, []Update{{p.payload, 5}}); err != nil {
		t.Fatal(err)
	}
	was := slices.Clone(p.local)
	follow(t, p, theta[:n], next[:n], nil, []Own{{1, p.payload}})
	at := 0
	for _, ts := range tensors() {
		for j := at; j < at+ts.size(); j++ {
			want := float64(was[j])
			if ts.Layer == 1 { // the fragment of height 1
				want = (float64(was[j]) + float64(next[j])) / 2
			}
			if math.Abs(float64(p.local[j])-want) > 1e-8 {
				t.Fatalf("parameter %d of layer %d is %g, want %g", j, ts.Layer, p.local[j], want)
			}
		}
		at += ts.size()
	}
}
