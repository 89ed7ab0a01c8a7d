// Package founding makes swarms: from a model and a data set, or from a state of another swarm; and lets machines in.
//
// It guarantees that a directory belongs to one swarm, and that the files which a manifest names are in its library before the
// manifest is. It must not know how a node runs, nor how peers are reached.
package founding

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/checkpoint"
	"github.com/murmurnet/murmur/trainer/data"
	"github.com/murmurnet/murmur/trainer/shard"
	"github.com/murmurnet/murmur/trainer/token"
)

// Founding is a swarm that is being made: its manifest, and where the files lie that this names.
type Founding struct {
	Manifest manifest.Manifest
	// InviteOnly gives the swarm a community key, which this machine keeps.
	InviteOnly bool
	// Aside says in a sentence each what of a model from elsewhere is not taken over.
	Aside     []string
	community ed25519.PrivateKey
	raw       []byte
	adds      []func(*library.Library) error
}

// keep has bytes added to the library when the swarm is founded.
func (f *Founding) keep(b []byte) *shard.Blob {
	f.adds = append(f.adds, func(l *library.Library) error { _, err := l.AddBytes(b); return err })
	return &shard.Blob{ID: proto.HashBlob(b).Root(), Size: uint64(len(b))}
}

// addFile has a file added to the library when the swarm is founded.
func (f *Founding) addFile(path string, b shard.Blob) {
	f.adds = append(f.adds, func(l *library.Library) error { return l.Add(path, b) })
}

// longSample is how many tokens samples have at most for a model from elsewhere, where nothing says another number.
const longSample = 1024

// From takes over a model in Hugging Face's layout, with its tokenizer; bytes says that it has none and reads bytes. Samples are seqLen
// tokens long; 0 chooses.
func (f *Founding) From(dir string, seqLen int, bytes bool) error {
	c, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	if seqLen == 0 {
		seqLen = min(c.Config.SeqLen, longSample)
	}
	if seqLen > c.Config.SeqLen {
		return fmt.Errorf("samples of %d tokens are longer than the %d positions that the model in %s was made for: give --seq-len a smaller number", seqLen, c.Config.SeqLen, dir)
	}
	origin, err := c.Origin()
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	packed, err := origin.Encode()
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	f.Aside = c.Aside
	f.Manifest.Model = manifest.Model{Config: c.Config, Origin: f.keep(packed)}
	f.Manifest.Model.SeqLen = seqLen
	if a := f.Manifest.Adapter; a != nil {
		f.Manifest.Adapt(a)
		err = f.under(c)
	} else {
		err = f.whole(c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if bytes {
		return nil
	}
	t, err := origin.Tokenizer(c.Config.Vocab)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	f.Manifest.Data.Ends = t.Ends()
	if raw := origin.Files[token.File]; raw != nil {
		f.Manifest.Data.Tokenizer, f.Manifest.Data.Vocab = f.keep(raw), t.Vocab()
	}
	return nil
}

// whole takes over a model's weights, which are trained.
func (f *Founding) whole(c *checkpoint.Checkpoint) error {
	theta, err := c.Theta()
	if err == nil {
		f.Manifest.Model.Weights = f.keep(replica.Bytes(theta))
	}
	return err
}

// under takes over the files of the model under an adapter, which stay as they are.
func (f *Founding) under(c *checkpoint.Checkpoint) error {
	for _, path := range c.Files() {
		path, err := filepath.EvalSymlinks(path) // in a cache of Hugging Face's they are links
		if err != nil {
			return err
		}
		b, err := library.Identify(path)
		if err != nil {
			return err
		}
		f.Manifest.Model.BaseFiles = append(f.Manifest.Model.BaseFiles, b)
		f.addFile(path, b)
	}
	return nil
}

// Data takes over what murmur data prepare made.
func (f *Founding) Data(dir string) error {
	set, err := shard.ReadSet(filepath.Join(dir, shard.SetFile))
	if err != nil {
		return err
	}
	if have := f.Manifest.Data.Tokenizer; f.Manifest.Model.Origin != nil && have != nil && (set.Tokenizer == nil || set.Tokenizer.ID != have.ID) {
		return fmt.Errorf("%s was prepared with another tokenizer than the model's: prepare it with --tokenizer of the model's folder", dir)
	}
	for _, id := range f.Manifest.Data.Ends { // the model's
		if int(id) < set.Vocab && !slices.Contains(set.Ends, id) {
			set.Ends = append(set.Ends, id)
		}
	}
	f.Manifest.Data = set
	if set.Tokenizer != nil {
		f.addFile(filepath.Join(dir, shard.TokenizerFile), *set.Tokenizer)
	}
	for _, e := range append([]shard.Entry{set.Heldout}, set.Shards...) {
		f.addFile(filepath.Join(dir, shard.Folder, shard.FileName(e.ID)), shard.Blob{ID: e.ID, Size: e.Size})
	}
	return nil
}

// Seal fixes the manifest and returns the swarm's id.
func (f *Founding) Seal() (id proto.ID, err error) {
	m := f.Manifest
	if m.Model.Origin == nil && m.Adapter == nil {
		if err := checkpoint.Writable(m.Model.Config); err != nil {
			return id, err
		}
	}
	// transformers' LlamaConfig refuses it, whatever head_dim says (5.24), so that nothing would load what is exported.
	if o := m.Model; o.Origin == nil && o.Heads > 0 && o.Dim%o.Heads != 0 {
		return id, fmt.Errorf("model.dim is %d, which model.heads, %d, does not divide: transformers would not load such a model; choose a multiple", o.Dim, o.Heads)
	}
	if m.Data.Name == manifest.Shards && m.Model.SeqLen > 0 {
		var samples uint64
		for _, n := range data.SampleCounts(m.Data, m.Model.SeqLen) {
			samples += n
		}
		if samples < uint64(m.Inner.Batch) {
			return id, fmt.Errorf("the data set has %d samples of %d tokens, fewer than a batch of %d: prepare more data, or choose a smaller inner.batch or model.seq_len",
				samples, m.Model.SeqLen, m.Inner.Batch)
		}
	}
	if ms := &f.Manifest.Membership; f.InviteOnly || len(ms.Members) > 0 && len(ms.Keys) == 0 {
		public, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return id, fmt.Errorf("drawing the community's key: %w", err)
		}
		f.community, ms.Keys = key, append(ms.Keys, proto.PeerOf(public))
	}
	f.raw, id, err = f.Manifest.Encode()
	return id, err
}

// Found makes a directory one of the sealed swarm, and returns the node's peer id.
func (f *Founding) Found(d home.Dir) (proto.PeerID, error) {
	if err := d.Claim(proto.Sum(f.raw)); err != nil {
		return "", err
	}
	l, err := library.Open(d.Path(home.Files))
	if err != nil {
		return "", err
	}
	for _, add := range f.adds {
		if err := add(l); err != nil {
			return "", err
		}
	}
	if f.community != nil {
		if err := d.KeepKey(f.community, home.CommunityKey); err != nil {
			return "", err
		}
	}
	return Found(d, f.raw)
}

// Found makes the directory one of the swarm with this manifest, and returns
// the node's peer id.
func Found(d home.Dir, raw []byte) (proto.PeerID, error) {
	if _, _, err := manifest.Decode(raw); err != nil {
		return "", err
	}
	if err := d.Claim(proto.Sum(raw)); err != nil {
		return "", err
	}
	peer, err := d.Peer()
	if err != nil {
		return "", err
	}
	return peer, d.SetManifest(raw)
}
