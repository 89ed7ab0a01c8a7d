package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
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
	"github.com/murmurnet/murmur/node/base"
	"github.com/murmurnet/murmur/node/chain"
	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/exchange"
	"github.com/murmurnet/murmur/node/executor"
	"github.com/murmurnet/murmur/node/founding"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/keeper"
	"github.com/murmurnet/murmur/node/library"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/metrics"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/node/replica"
	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/node/service"
	"github.com/murmurnet/murmur/node/status"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/p2p/blob"
	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	"github.com/murmurnet/murmur/trainer/outer"
)

const (
	maxEvents  = 256                     // events that wait for the loop
	leaveLimit = 2500 * time.Millisecond // with the trainer's and the API's limits, five seconds; closing the network may take three more
)

// Node is one running daemon.
type Node struct {
	p        Params
	log      *slog.Logger
	diary    *event.Log
	key      ed25519.PrivateKey
	self     proto.PeerID
	swarm    proto.ID
	page     string // address of the page; empty: none is served
	store    *chain.Store
	library  *library.Library
	net      *p2p.Network
	members  atomic.Pointer[membership.List] // who belongs to the swarm; nil: everybody
	status   *status.Board
	curve    *status.Curve
	usage    status.Usage
	month    *home.Month
	server   *exchange.Server
	finder   *exchange.Finder
	start    time.Time
	turned   atomic.Int64               // nanoseconds from start to the loop's newest turn; 0: it has not begun
	book     atomic.Pointer[chain.Book] // the chain; nil until the manifest is here
	events   chan round.Event
	releases []func() error // functions that give back what Open took

	finish    sync.Once
	finishing chan struct{} // closed by Finish
	gone      chan struct{} // closed when the machine says that this node may leave
	delivered atomic.Bool   // whether all that was learned is in the shared model; set before gone is closed

	// Set by assemble, before any goroutine that reads them starts.
	manifest manifest.Manifest
	seed     [32]byte       // the swarm's
	machine  *round.Machine // rules of the rounds; of the loop's goroutine only
	executor *executor.Executor
	exchange *exchange.Exchange
	keeper   *keeper.Keeper   // keeper of the trainer; nil: this node does not train
	supply   *exchange.Supply // supply of token shards; nil: the swarm's data are no shards

	group    sync.WaitGroup
	wishes   sync.Mutex // guards a change of settings from reading to writing
	weighing sync.Mutex // guards the comparison of the month's traffic with its limit
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
		events: make(chan round.Event, maxEvents), finishing: make(chan struct{}), gone: make(chan struct{}),
	}
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
	if n.swarm, err = p.Dir.Swarm(); err != nil {
		return n, err
	}
	settings, err := p.Dir.Settings()
	if err != nil {
		return n, err
	}
	if n.status, err = status.New(status.Params{
		Self: n.self, Swarm: n.swarm, Version: p.Version, Seed: p.Seed, Settings: settings, Diary: n.diary, Log: p.Log,
	}); err != nil {
		return n, err
	}
	if n.store, err = chain.Open(string(p.Dir)); err != nil {
		return n, err
	}
	n.releases = append(n.releases, n.store.Close)
	if n.library, err = library.Open(p.Dir.Path(home.Files)); err != nil {
		return n, err
	}
	if n.curve, err = status.OpenCurve(p.Dir.Path(home.Curve)); err != nil {
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
	if n.month, err = p.Dir.Month(); err != nil {
		return n, err
	}
	limits, err := p.Dir.Limits()
	if err != nil {
		return n, err
	}
	n.server = exchange.NewServer(p.Dir.Manifest, n.store)
	params := p2p.Params{
		Key: n.key, Swarm: n.swarm, Version: p.Version, Listen: p.Listen, Bootstrap: p.Bootstrap,
		PeersFile: p.Dir.Path(home.Peers), MDNS: p.MDNS, Reach: p.reach(), Members: members, Known: n.takesPart, Blobs: blobs{n.store, n.library}, Sync: n.server, Log: p.Log,
	}
	if p.Net != nil {
		p.Net(&params)
	}
	if n.net, err = p2p.New(ctx, params); err != nil {
		return n, err
	}
	n.releases = append(n.releases, n.net.Close)
	if n.finder, err = exchange.NewFinder(exchange.FinderParams{
		Dir: p.Dir, Swarm: n.swarm, Net: n.net, Store: n.store, Library: n.library, Status: n.status, Log: p.Log, Stop: n.finishing,
	}); err != nil {
		return n, err
	}
	n.apply(limits)
	return n, nil
}

// takesPart tells whether a peer is in the head's roster. An empty roster, as at genesis, refuses nobody.
func (n *Node) takesPart(p proto.PeerID) bool {
	head := n.status.Status().Head
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
	raw, err := n.finder.Manifest(ctx)
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
	n.status.Named(m.Name)
	if wanted := m.Model.BaseFiles; len(wanted) > 0 {
		n.status.Starting("looking for the adapter's base on this machine")
		found, from, err := base.Find(base.Params{Library: n.library, Wanted: wanted, Folder: n.p.Base, Cache: n.p.BaseCache})
		if err != nil {
			return err
		}
		n.log.Info("Looked for the adapter's base on this machine", "folder", from, "files", found, "of", len(wanted))
	}
	if !n.fits(ctx, m) || !n.finder.Files(ctx, m) {
		return nil // told to stop before they came
	}
	n.status.Starting("reading the swarm's state from this disk")
	if err := n.assemble(m, seed); err != nil {
		return err
	}
	return n.work(ctx)
}

// outdated shows why this murmur is too old, and waits to be stopped. If it ended, the service manager
// would start it again and again, and nobody could ask it why.
func (n *Node) outdated(ctx context.Context, why error) {
	n.status.Outdated(why.Error())
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
	n.manifest, n.seed = m, seed
	folder, err := n.p.folder(m)
	if err != nil {
		return err
	}
	method, err := m.Outer()
	if err != nil {
		return err
	}
	var data executor.Data = executor.AllHere{}
	if m.Data.Name == manifest.Shards {
		if n.supply, err = exchange.NewSupply(exchange.SupplyParams{
			Dir: n.p.Dir, Manifest: m, Swarm: n.swarm, Quota: n.p.DataQuota, Finder: n.finder, Library: n.library,
			Status: n.status, Diary: n.diary, Log: n.log, Extended: func() { n.executor.Extend() },
		}); err != nil {
			return err
		}
		data = n.supply
	}
	book, rep, state, err := n.open(m, seed, method)
	if err != nil {
		return err
	}
	n.executor, state.Lacking, err = executor.New(executor.Params{
		Manifest: m, Swarm: n.swarm, Self: n.self, Key: n.key, Method: method, Store: n.store, Book: book, Replica: rep, Heldout: heldoutTokens,
		Data: data, Status: n.status, Diary: n.diary, Log: n.log, Post: n.post, Proof: n.proof, Measured: n.learned,
		Refetch: func(ctx context.Context, lost replica.LostError) error {
			return n.exchange.Refetch(ctx, lost.Payload, lost.Size)
		},
		Pull: func(ctx context.Context, id proto.ID) { n.exchange.PullAgain(ctx, id) },
	})
	if err != nil {
		return err
	}
	n.releases = append(n.releases, n.executor.Close)
	state.Seq = n.executor.Seq()
	state.Alone = state.Alone && state.Seq == 0
	checkpoint, err := n.p.Dir.Checkpoint()
	if err != nil {
		return err
	}
	config := m.Round(method, n.swarm, n.self, chain.TagSize)
	config.Contract = n.p.Contract
	config.Salt = rand.Text()
	config.Checkpoint = round.Checkpoint{Height: checkpoint.Height, Commit: checkpoint.Commit}
	if n.machine, err = round.New(config, state); err != nil {
		return err
	}
	if n.exchange, err = exchange.New(exchange.Params{
		Self: n.self, Swarm: n.swarm, Manifest: m, Checkpoint: config.Checkpoint, StateSize: config.StateSize, Net: n.net, Store: n.store, Book: book,
		Status: n.status, Diary: n.diary, Log: n.log, Post: n.post, Admit: n.admit, Told: n.told,
		Decodes: func(height uint64, payload []byte) bool { return method.Check(height, payload) == nil },
	}); err != nil {
		return err
	}
	if !n.p.Seed {
		if n.keeper, err = keeper.New(keeper.Params{
			Command: n.p.Trainer, Engine: n.p.Engine, Env: n.p.Env, Devices: n.p.Devices, Exchange: n.p.exchangeFile, Spec: n.spec(folder),
			Executor: n.executor, Status: n.status, Diary: n.diary, Log: n.log,
		}); err != nil {
			return err
		}
	}
	n.status.Sized(config.StepTokens, uint64(m.Model.Layout().Params()))
	n.status.Enter(n.machine.Status())
	n.book.Store(book)
	n.server.Serve(book)
	n.diary.Add(event.Node, rep.Head().Height, fmt.Sprintf("started at round %d", rep.Head().Height))
	return nil
}

// open opens chain and replica, and says where the round machine begins.
func (n *Node) open(m manifest.Manifest, seed [32]byte, method outer.Method) (book *chain.Book, rep *replica.Replica, state round.State, err error) {
	book, rep, why, err := replica.FromDisk(replica.Disk{Store: n.store, Library: n.library, Manifest: m, Seed: seed, Swarm: n.swarm, Self: n.self, Method: method})
	if err != nil {
		return nil, nil, state, err
	}
	n.releases = append(n.releases, rep.Close)
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
			return nil, nil, state, err
		}
	}
	state = round.State{
		Base: base, Commits: book.Above(base.Height), Past: book.PastCommits(base, round.KnownPast), Known: n.store.Known(), Head: rep.Head().ID, Updates: book.All(), Covers: n.store.Own(), Signed: n.store.Signed(),
		Damaged: why != nil || lost != nil, Alone: head.Height == 0 && lost == nil,
	}
	state.Held, err = n.store.Payloads()
	return book, rep, state, err
}

// work runs the parts until ctx ends.
func (n *Node) work(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	n.group.Go(func() { n.exchange.Listen(running) })
	n.group.Go(func() { n.exchange.Settle(running) })
	n.group.Go(func() { n.executor.Run(running) })
	if n.members.Load() != nil {
		n.group.Go(func() { n.keepMembers(running) })
	}
	if n.supply != nil {
		n.group.Go(func() { n.supply.Run(running) })
	}
	keeping, stopKeeping := context.WithCancel(running)
	defer stopKeeping()
	kept := make(chan error, 1)
	if n.keeper != nil {
		n.lend(n.status.Decide())
		go func() { kept <- n.keeper.Run(keeping) }()
	}
	loop := make(chan struct{})
	go func() { defer close(loop); n.loop(running) }()

	var err error
	select {
	case <-ctx.Done():
	case <-n.gone:
	case err = <-kept:
		kept <- nil
	}
	n.leave(running)
	stopKeeping()
	if n.keeper != nil {
		err = errors.Join(err, <-kept)
	}
	stop()
	<-loop
	n.group.Wait()
	n.exchange.Wait()
	return err
}

// lend has the trainer take the device or give it back.
func (n *Node) lend(d policy.Decision) {
	if n.keeper != nil {
		n.keeper.Lend(d.Yield, d.Why)
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
func (b blobs) OpenBlob(id proto.ID) (blob.Blob, error) {
	blob, err := b.store.OpenBlob(id)
	if errors.Is(err, fs.ErrNotExist) {
		return b.library.OpenBlob(id)
	}
	return blob, err
}
