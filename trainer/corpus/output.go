package corpus

import (
	"fmt"
	"slices"

	"github.com/murmurnet/murmur/trainer/shard"
)

// output cuts a stream of tokens into shards.
type output struct {
	dir         string
	vocab, each int
	w           *shard.Writer
	room        int
	entries     []shard.Entry
}

// train adds tokens to train on.
func (o *output) train(tokens []int32) (err error) {
	for len(tokens) > 0 {
		if o.w == nil {
			if len(o.entries) == shard.MaxShards {
				return fmt.Errorf("the tokens fill more than %d shards: make them larger with --shard-tokens", shard.MaxShards)
			}
			if o.w, err = shard.Create(o.dir, o.vocab); err != nil {
				return err
			}
			o.room = o.each
		}
		n := min(len(tokens), o.room)
		if err := o.w.Append(tokens[:n]); err != nil {
			return err
		}
		tokens, o.room = tokens[n:], o.room-n
		if o.room == 0 {
			if err := o.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *output) close() error {
	e, err := o.w.Finish()
	o.w = nil
	// A set names a shard once. Only a text that says one thing over and over makes two alike.
	if err == nil && !slices.Contains(o.entries, e) {
		o.entries = append(o.entries, e)
	}
	return err
}

func (o *output) finish() ([]shard.Entry, error) {
	if o.w != nil {
		if err := o.close(); err != nil {
			return nil, err
		}
	}
	return o.entries, nil
}

// abort gives up the shard that is being written.
func (o *output) abort() {
	if o.w != nil {
		o.w.Abort()
	}
}
