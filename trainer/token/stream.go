package token

// Stream decodes token by token what Decode decodes at once. A character is given as soon as no later id can change it: a
// run of byte tokens in a file with byte fallback only when it has ended, for one that is not UTF-8 is replaced whole.
// A Stream is for one goroutine.
type Stream struct {
	t     *Tokenizer
	steps []step
	outs  []func(string) // outs[i] takes what comes to steps[i]; the last one takes text
	out   []byte
}

// Stream returns a decoder that has seen nothing yet.
func (t *Tokenizer) Stream() *Stream {
	s := &Stream{t: t, outs: make([]func(string), len(t.decoder)+1)}
	s.outs[len(t.decoder)] = func(text string) { s.out = append(s.out, text...) }
	for i := len(t.decoder) - 1; i >= 0; i-- {
		next := s.outs[i+1]
		s.outs[i] = func(tok string) { s.steps[i].push(tok, next) }
	}
	s.start()
	return s
}

func (s *Stream) start() {
	s.steps = s.steps[:0]
	for _, step := range s.t.decoder {
		s.steps = append(s.steps, step())
	}
}

// Push takes an id and returns the text that is certain now; often it is empty.
func (s *Stream) Push(id int32) string {
	s.push(id)
	return s.take()
}

// Flush returns the text that is left, an incomplete character as U+FFFD. The stream starts anew.
func (s *Stream) Flush() string {
	for i, step := range s.steps {
		step.flush(s.outs[i+1])
	}
	s.start()
	return s.take()
}

func (s *Stream) push(id int32) {
	if id < 0 || int(id) >= len(s.t.entries) {
		return
	}
	if e := s.t.entries[id]; e.known && !e.special {
		s.outs[0](e.text)
	}
}

func (s *Stream) take() string {
	text := string(s.out)
	s.out = s.out[:0]
	return text
}
