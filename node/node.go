package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/metrics"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/service"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

const (
	maxEvents    = 256 // events that wait for the loop
	maxTransfers = 16  // fetches at once
	maxQuestions = 8
	leaveLimit   = 2500 * time.Millisecond // with the trainer's and the API's limits, five seconds
)

// Node is one running daemon.
type Node struct {
	p        Params
	log      *slog.Logger
	diary    *event.Log
	key      ed25519.PrivateKey
	self     proto.PeerID
	swarm    proto.ID
	page     string // where it is served, if it is
	store    *chain.Store
	library  *library.Library
	net      *p2p.Network
	members  atomic.Pointer[membership.Book] // nil: everybody is one
	start    time.Time
	turned   atomic.Int64               // when the loop last came round, in nanoseconds since start; 0: not yet
	book     atomic.Pointer[chain.Book] // nil until the manifest is here
	events   chan round.Event
	releases []func() error // of what Open took

	finish    sync.Once
	finishing chan struct{} // closed by Finish
	gone      chan struct{} // closed when the machine says that this node may go
	delivered atomic.Bool   // what was learned is in the shared model: set before gone is closed

	// Set by assemble, before any goroutine that reads them starts.
	manifest manifest.Manifest
	folder   string // of private data
	// checkpoint is what the link named, without which no branch is taken.
	checkpoint round.Checkpoint
	method     outer.Method
	curve      *curve
	quota      *quota
	supply     *supply        // of token shards; nil where the data are others
	machine    *round.Machine // the loop's
	hand       *hand

	transfers chan struct{} // a token for each fetch under way
	questions chan struct{}
	group     sync.WaitGroup
	wishes    sync.Mutex // held while settings are changed
	loan      loan
	disk      disk
	view      view
}

// Run opens a node with its API, works until ctx ends, and leaves the swarm
// cleanly.
func Run(ctx context.Context, p Params) (err error) {
	n, err := Open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	doors := api.New(n)
	defer func() { err = errors.Join(err, doors.Close()) }()
	if err := n.servePage(doors); err != nil { // first, for the state names its address
		return err
	}
	if err := doors.Socket(string(p.Dir)); err != nil {
		return err
	}
	if p.Metrics != "" {
		l, err := net.Listen("tcp", p.Metrics)
		if err != nil {
			return fmt.Errorf("listening for scrapes of metrics: %w", err)
		}
		n.log.Info("Prometheus finds metrics here", "url", "http://"+l.Addr().String()+"/metrics")
		scraped := api.Listen(l, metrics.Handler(n.State))
		defer func() { err = errors.Join(err, scraped.Close()) }()
	}
	telling, stop := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { service.Teller{Why: n.why, Alive: n.alive, Log: n.log}.Tell(telling) })
	defer func() {
		stop()
		told.Wait()
	}()
	return n.Work(ctx)
}

// Open takes a directory and joins the swarm's network. It opens no socket but
// the network's, so that simulations can run many nodes in one process.
func Open(ctx context.Context, p Params) (n *Node, err error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	n = &Node{
		p: p, log: p.Log, diary: event.New(p.Log), start: time.Now(),
		events: make(chan round.Event, maxEvents), finishing: make(chan struct{}), gone: make(chan struct{}), transfers: make(chan struct{}, maxTransfers),
		questions: make(chan struct{}, maxQuestions),
	}
	n.view.set(func(v *viewed) { v.seed = p.Seed })
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	unlock, err := p.Dir.Lock()
	if err != nil {
		return n, err
	}
	n.releases = append(n.releases, unlock)
	if n.key, err = p.Dir.Identity(); err != nil {
		return n, err
	}
	n.self = proto.PeerOf(n.key.Public().(ed25519.PublicKey))
	n.view.set(func(v *viewed) { v.self = n.self })
	if n.swarm, err = p.Dir.Swarm(); err != nil {
		return n, err
	}
	if n.store, err = chain.Open(string(p.Dir)); err != nil {
		return n, err
	}
	n.releases = append(n.releases, n.store.Close)
	if n.library, err = library.Open(p.Dir.Path(home.Files)); err != nil {
		return n, err
	}
	if n.curve, err = openCurve(p.Dir.Path(home.Curve)); err != nil {
		return n, err
	}
	known, err := founding.Membership(p.Dir)
	if err != nil {
		return n, err
	}
	members, err := n.openMembers(known)
	if err != nil {
		return n, err
	}
	n.members.Store(members)
	if n.quota, err = openQuota(p.Dir.Path(home.Usage)); err != nil {
		return n, err
	}
	settings, err := p.Dir.Settings()
	if err != nil {
		return n, err
	}
	n.view.set(func(v *viewed) { v.settings = settings })
	limits, err := p.Dir.Limits()
	if err != nil {
		return n, err
	}
	params := p2p.Params{
		Key: n.key, Swarm: n.swarm, Version: p.Version, Listen: p.Listen, Bootstrap: p.Bootstrap,
		PeersFile: p.Dir.Path(home.Peers), MDNS: p.MDNS, Reach: p.reach(), Members: members, Known: n.takesPart, Blobs: blobs{n.store, n.library}, Sync: n, Log: p.Log,
	}
	if p.Net != nil {
		p.Net(&params)
	}
	if n.net, err = p2p.New(ctx, params); err != nil {
		return n, err
	}
	n.releases = append(n.releases, n.net.Close)
	n.apply(limits)
	return n, nil
}

// takesPart tells whether a peer is in the head's roster; before there is one, everybody is let speak.
func (n *Node) takesPart(p proto.PeerID) bool {
	head := n.view.status().Head
	return len(head.Roster) == 0 || head.Rank(p) >= 0
}

// Close gives back what Open took, the newest first.
func (n *Node) Close() error {
	var errs []error
	for _, f := range slices.Backward(n.releases) {
		errs = append(errs, f())
	}
	n.releases = nil
	return errors.Join(errs...)
}

// Work takes part in the swarm until ctx ends, then leaves it cleanly.
func (n *Node) Work(ctx context.Context) error {
	sensing, stop := context.WithCancel(ctx)
	var senses sync.WaitGroup
	senses.Go(func() { n.meter(sensing) })
	senses.Go(func() { n.sense(sensing) })
	defer func() {
		stop()
		senses.Wait()
	}()
	raw, err := n.obtainManifest(ctx)
	if err != nil {
		return err
	}
	if raw == nil {
		return nil // told to stop before the manifest came
	}
	m, seed, err := manifest.Decode(raw)
	if err != nil {
		return err
	}
	if err := m.Runs(n.p.Version); err != nil {
		n.outdated(ctx, err)
		return nil
	}
	if err := n.enforce(m.Membership); err != nil {
		return err
	}
	n.view.set(func(v *viewed) { v.name = m.Name })
	if !n.fits(ctx, m) || !n.obtainFiles(ctx, m) {
		return nil // told to stop before they came
	}
	n.view.set(func(v *viewed) { v.starting = "reading the swarm's state from this disk" })
	if err := n.assemble(m, seed); err != nil {
		return err
	}
	return n.work(ctx)
}

// outdated waits to be stopped: a node that ended would be started again and again, and its
// owner would see nothing.
func (n *Node) outdated(ctx context.Context, why error) {
	n.view.set(func(v *viewed) { v.outdated = why.Error() })
	n.diary.Add(event.Node, 0, why.Error())
	n.wait(ctx)
}

// wait waits to be stopped.
func (n *Node) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-n.finishing:
	}
}

// assemble builds all that depends on the manifest, from what the disk holds.
func (n *Node) assemble(m manifest.Manifest, seed [32]byte) (err error) {
	n.manifest = m
	if n.folder, err = n.p.folder(m); err != nil {
		return err
	}
	if n.method, err = m.Outer(); err != nil {
		return err
	}
	if m.Data.Name == manifest.Shards {
		if n.supply, err = newSupply(n); err != nil {
			return err
		}
	}
	book, rep, why, err := replica.FromDisk(replica.Disk{Store: n.store, Library: n.library, Manifest: m, Seed: seed, Swarm: n.swarm, Self: n.self, Method: n.method})
	if err != nil {
		return err
	}
	lost := n.store.Damaged()
	if lost != nil {
		n.log.Warn("The chain on disk is damaged", "error", lost)
		n.diary.Add(event.Chain, 0, lost.Error())
	}
	head, base := book.Marks()
	if why != nil {
		// What was learned is in local.state and in the own payloads; the shared
		// state can be had from peers again.
		n.log.Warn("State on disk is damaged", "height", head.Height, "usable", rep.Head().Height, "error", why)
		n.diary.Add(event.Chain, head.Height, fmt.Sprintf("the state of round %d is damaged on this disk (%v); fetching it again", head.Height, why))
		if rep.Head().Height < base.Height {
			base = rep.Head()
		}
		if err := book.Cut(base, rep.Head()); err != nil {
			return err
		}
	}
	state := round.State{
		Base: base, Commits: book.Above(base.Height), Past: book.PastCommits(base, round.KnownPast), Head: rep.Head().ID, Updates: book.All(), Covers: n.store.Own(), Signed: n.store.Signed(),
		Damaged: why != nil || lost != nil,
	}
	if state.Held, err = n.store.Payloads(); err != nil {
		return err
	}
	n.hand = newHand(n, rep, book)
	if state.Lacking, err = n.hand.restore(book, rep.Head()); err != nil {
		return err
	}
	state.Seq = n.hand.seq
	state.Alone = state.Seq == 0 && head.Height == 0 && lost == nil
	config := roundConfig(m, n.method, n.swarm, n.self)
	checkpoint, err := n.p.Dir.Checkpoint()
	if err != nil {
		return err
	}
	n.checkpoint = round.Checkpoint{Height: checkpoint.Height, Commit: checkpoint.Commit}
	config.Checkpoint = n.checkpoint
	if n.machine, err = round.New(config, state); err != nil {
		return err
	}
	n.book.Store(book)
	n.view.set(func(v *viewed) {
		v.gradient = 4 * float64(m.Model.Config().Layout().Params()) / float64(uint64(m.Inner.Batch)*uint64(m.Model.SeqLen))
	})
	n.view.enter(n.machine.Status())
	n.diary.Add(event.Node, rep.Head().Height, fmt.Sprintf("started at round %d", rep.Head().Height))
	return nil
}

// work runs the parts until ctx ends.
func (n *Node) work(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	n.group.Go(func() { n.listen(running) })
	n.group.Go(func() { n.settle(running) })
	n.group.Go(func() { n.hand.run(running) })
	if n.members.Load() != nil {
		n.group.Go(func() { n.keepMembers(running) })
	}
	if n.supply != nil {
		n.group.Go(func() { n.supply.run(running) })
	}
	d := n.view.decide()
	n.loan.set(d.Yield, d.Why)
	keeper := make(chan struct{})
	keeping, stopKeeping := context.WithCancel(running)
	go func() {
		defer close(keeper)
		if !n.p.Seed {
			n.keepTrainer(keeping, fail)
		}
	}()
	loop := make(chan struct{})
	go func() { defer close(loop); n.loop(running) }()

	var err error
	select {
	case <-ctx.Done():
	case <-n.gone:
	case err = <-failed:
	}
	n.leave(running)
	stopKeeping()
	<-keeper
	stop()
	<-loop
	n.group.Wait()
	return err
}

// obtainManifest returns the manifest from disk, or from the first peer that
// has it; nil when ctx ends before.
func (n *Node) obtainManifest(ctx context.Context) ([]byte, error) {
	b, err := n.p.Dir.Manifest()
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	n.log.Info("Looking for a peer that has the swarm's manifest", "swarm", n.swarm)
	const between = 500 * time.Millisecond
	for {
		for _, peer := range n.net.Connected() {
			if b := n.askManifest(ctx, peer); b != nil {
				return b, n.p.Dir.SetManifest(b)
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-n.finishing:
			return nil, nil
		case <-n.net.PeerChanges():
		case <-time.After(between):
		}
	}
}

// post hands an event to the loop.
func (n *Node) post(ctx context.Context, e round.Event) {
	select {
	case n.events <- e:
	case <-ctx.Done():
	}
}

// blobs serves the store's and the library's files to peers.
type blobs struct {
	store   *chain.Store
	library *library.Library
}

// OpenBlob opens a payload, a state or a file that the manifest names.
func (b blobs) OpenBlob(id proto.ID) (p2p.Blob, error) {
	blob, err := b.store.OpenBlob(id)
	if errors.Is(err, fs.ErrNotExist) {
		return b.library.OpenBlob(id)
	}
	return blob, err
}
