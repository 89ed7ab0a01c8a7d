package corpus

// Tokenizer is what prepare needs of one; it is called from many goroutines.
type Tokenizer interface {
	// Append adds the ids of a text.
	Append(dst []int32, text string) []int32
	// Vocab is what every id is below.
	Vocab() int
	// Begin is the token that stands before a document, if there is one.
	Begin() (id int32, ok bool)
	// Ends are the tokens that end a text, that which stands behind a document first.
	Ends() []int32
}

// around is what is put before and behind every document, as inference has it: what a model has not seen in training, it does
// not read well later. A tokenizer without an end gets a line end.
func around(t Tokenizer) (begin, end []int32) {
	if id, ok := t.Begin(); ok {
		begin = []int32{id}
	}
	if ends := t.Ends(); len(ends) > 0 {
		return begin, ends[:1]
	}
	return begin, t.Append(nil, "\n")
}
