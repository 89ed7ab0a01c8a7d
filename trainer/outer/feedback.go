package outer

import "fmt"

// Feedback is what a node alone has of its learning, and how it follows commits. It is not safe for concurrent use.
type Feedback struct {
	method   Method
	learning Learning
	params   int
	buffer   []float32 // the residual, where the method keeps it in one
}

// Own is an update of this node's.
type Own struct {
	Height  uint64
	Payload []byte
}

// NewFeedback starts with nothing learned. A method whose residual is in a buffer has it in the one that is given, of zeros and as long as θ; where
// none is, in one that is made.
func NewFeedback(m Method, params int, buffer []float32) *Feedback {
	p := &Feedback{method: m, learning: m.Learning(), params: params}
	if p.learning.Residual == InBuffer {
		if p.buffer = buffer; buffer == nil {
			p.buffer = make([]float32, params)
		}
	}
	return p
}

// Buffer is the residual outside the local model, to be saved and loaded; nil for methods that have none.
func (p *Feedback) Buffer() []float32 { return p.buffer }

// Encode makes the payload of what was learned on a head. taken is what the trainer gave: its model, or the mean
// gradient since it was last asked. Where moved is true, what the model had learned is in the buffer now, and taken holds
// what the trainer has to add to its model for that.
func (p *Feedback) Encode(dst []byte, r Round, theta, taken []float32) (payload []byte, moved bool, err error) {
	if err := sized("encode", p.params, theta, taken); err != nil {
		return nil, false, err
	}
	switch {
	case p.learning.Residual == InModel:
		payload, err = p.method.Encode(dst, r, theta, taken)
		return payload, false, err
	case p.learning.Residual == Nowhere:
		payload, err = p.method.Encode(dst, r, taken, nil)
		return payload, false, err
	case p.learning.Gradients:
		scale := p.learning.Scale(r.Tokens)
		for i, g := range taken {
			p.buffer[i] += float32(scale * g)
		}
	default:
		for i, local := range taken {
			taken[i] = theta[i] - local
			p.buffer[i] += taken[i]
		}
		moved = true
	}
	payload, err = p.method.Encode(dst, r, p.buffer, nil)
	return payload, moved, err
}

// Resume takes up what was saved: theta, which is θ(head), becomes the trainer's model. d and buffer were saved at another
// state, or nil; undo and redo lead from there to the head as Move has them.
func (p *Feedback) Resume(theta, d, buffer []float32, undo, redo []Own) error {
	if d != nil {
		if err := sized("resume", p.params, theta, d); err != nil {
			return err
		}
		for i, v := range d {
			theta[i] -= v
		}
	}
	copy(p.buffer, buffer)
	return p.follow(theta, 1, undo, redo)
}

// Move follows the head from one state to another: it adds to delta what the trainer has to add to its model; where
// gradients are gathered, delta becomes the model. undo are
// the own updates on the old branch alone, the newest first, redo those on the new one alone, the oldest first.
func (p *Feedback) Move(delta, from, to []float32, undo, redo []Own) error {
	if err := sized("move", p.params, delta, from, to); err != nil {
		return err
	}
	if p.learning.Gradients {
		copy(delta, to)
		return p.follow(nil, 1, undo, redo)
	}
	share := 1 - p.learning.Mix
	for i := range delta {
		delta[i] += share * (to[i] - from[i])
	}
	return p.follow(delta, share, undo, redo)
}

// follow counts own updates that left the branch, then those that joined it; share is what of them goes to the model.
func (p *Feedback) follow(delta []float32, share float32, undo, redo []Own) error {
	for _, u := range undo {
		if err := p.count(delta, share, u, -1); err != nil {
			return fmt.Errorf("taking back an own update of height %d: %w", u.Height, err)
		}
	}
	for _, u := range redo {
		if err := p.count(delta, share, u, 1); err != nil {
			return fmt.Errorf("counting an own update of height %d: %w", u.Height, err)
		}
	}
	return nil
}

// count takes an own update out of the residual, or back into it: with d = θ(head) − θ_local, z goes to the model; from a
// buffer b, it becomes β·(b − z).
func (p *Feedback) count(delta []float32, share float32, u Own, sign float32) error {
	switch p.learning.Residual {
	case InModel:
		return p.method.AddDecoded(delta, u.Height, u.Payload, sign*share)
	case InBuffer:
		if sign < 0 {
			p.scale(1 / p.learning.Decay)
		}
		if err := p.method.AddDecoded(p.buffer, u.Height, u.Payload, -sign); err != nil {
			return err
		}
		if sign > 0 {
			p.scale(p.learning.Decay)
		}
	}
	return nil
}

func (p *Feedback) scale(by float32) {
	if by == 1 {
		return
	}
	for i := range p.buffer {
		p.buffer[i] *= by
	}
}

// Forget drops what is in the buffer.
func (p *Feedback) Forget() { clear(p.buffer) }
