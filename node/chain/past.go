package chain

import (
	"cmp"
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/proto/wire"
)

// MaxPast bounds the snapshot heights below the base whose contents are kept: four
// weeks of one every ten minutes, about 8 MB. A checkpoint further back cannot be
// shown to be on the branch.
const MaxPast = 4096

// ReadContent reads a commit's content, which carries no signature of its closer.
func ReadContent(swarm proto.ID, b []byte) (round.Commit, error) {
	c, _, err := decodeContent(swarm, b, wire.OpenNotice)
	return c, err
}

// ReadPast reads of a commit's content its id, its height and the snapshot height below: of thousands, whose lists may be of any length, nobody needs
// more.
func ReadPast(swarm proto.ID, b []byte) (c round.Commit, err error) {
	var w murmurv1.Content
	if err := proto.Decode(b, proto.MaxCommit, &w); err != nil {
		return c, err
	}
	if string(w.Swarm) != string(swarm[:]) {
		return c, errors.New("commit of another swarm")
	}
	c.ID, c.Height = proto.Sum(b), w.Height
	c.Skip, err = proto.IDFrom(w.Skip)
	return c, err
}

// Past returns the contents of the snapshot heights from one down to a height, newest
// first, at most so many.
func (b *Book) Past(from proto.ID, height uint64, most int) (contents [][]byte) {
	for id := from; len(contents) < most; {
		var content []byte
		if w := b.Raw(id); w != nil {
			content = w.Content
		} else if content = b.store.get(bucketPast, id[:]); content == nil {
			break
		}
		contents = append(contents, content)
		var w murmurv1.Content
		if proto.Decode(content, proto.MaxCommit, &w) != nil || w.Height <= height || len(w.Skip) != len(id) {
			break
		}
		id = proto.ID(w.Skip)
	}
	return contents
}

// PastCommits returns the snapshot heights below a base, newest first, at most so many.
func (b *Book) PastCommits(base round.Commit, most int) (past []round.Commit) {
	for _, content := range b.Past(base.Skip, 0, most) {
		if c, err := ReadContent(b.Swarm, content); err == nil {
			past = append(past, c)
		}
	}
	return past
}

// AddPast keeps the contents of the snapshot heights below a commit, newest first, as a
// peer told them, and returns the lowest. They are what they say, for each is named by
// the one above.
func (b *Book) AddPast(above round.Commit, contents [][]byte) (lowest round.Commit, err error) {
	lowest = above
	known := map[proto.ID][]byte{}
	for _, content := range contents {
		c, err := ReadContent(b.Swarm, content)
		if err != nil {
			return above, err
		}
		if c.ID != lowest.Skip || c.Height >= lowest.Height {
			return above, errors.New("snapshot heights do not hang together")
		}
		known[c.ID], lowest = content, c
	}
	err = b.store.commit(func(tx *bolt.Tx) error { return putPast(tx.Bucket(bucketPast), known, b.store.maxPast) })
	return lowest, err
}

// past gathers the contents of the snapshot heights below a base that are held as
// commits: in memory, or on disk where writing failed before.
func (b *Book) past(base round.Commit) map[proto.ID][]byte {
	contents := map[proto.ID][]byte{}
	for c, id := base, base.Skip; c.Height > 0; id = c.Skip {
		var w murmurv1.Commit
		if p := b.commits[id]; p != nil && p.raw != nil {
			w.Content = p.raw.Content
		} else if proto.Decode(b.store.Commit(id), proto.MaxCommit, &w) != nil || w.Content == nil {
			break
		}
		var err error
		if c, err = ReadContent(b.Swarm, w.Content); err != nil {
			break
		}
		contents[id] = w.Content
	}
	return contents
}

// putPast adds contents, and drops the lowest where there are too many.
func putPast(bucket *bolt.Bucket, contents map[proto.ID][]byte, most int) (err error) {
	for id, content := range contents {
		err = errors.Join(err, bucket.Put(id[:], content))
	}
	type entry struct {
		id     []byte
		height uint64
	}
	var all []entry
	err = errors.Join(err, bucket.ForEach(func(id, content []byte) error {
		var w murmurv1.Content
		if proto.Decode(content, proto.MaxCommit, &w) != nil {
			w.Height = 0 // damaged: it goes first
		}
		all = append(all, entry{slices.Clone(id), w.Height})
		return nil
	}))
	slices.SortFunc(all, func(x, y entry) int { return cmp.Compare(y.height, x.height) })
	for _, e := range all[min(len(all), most):] {
		err = errors.Join(err, bucket.Delete(e.id))
	}
	return err
}
