package corpus

// Tokenizer is what prepare needs of one; it is called from many goroutines.
type Tokenizer interface {
	// Append adds the ids of a text.
	Append(dst []int32, text string) []int32
	// Vocab is what every id is below.
	Vocab() int
	// End is the token that ends a document, if there is one.
	End() (id int32, ok bool)
}

// endOf is what is put behind every document. Bytes have no id to spare for an end, and the zero byte is the one that
// no text holds: so a model learns where documents end, and generation can stop there. A tokenizer without such a token
// gets a line end.
func endOf(t Tokenizer, bytes bool) []int32 {
	if id, ok := t.End(); ok {
		return []int32{id}
	}
	if bytes {
		return []int32{0}
	}
	return t.Append(nil, "\n")
}
