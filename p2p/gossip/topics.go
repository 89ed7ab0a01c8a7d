package gossip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/murmurnet/murmur/p2p/membership"
	"github.com/murmurnet/murmur/proto"
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

const (
	// maxRPC bounds a gossip frame: several messages of proto.MaxGossip and the
	// control parts beside them. It must be equal on all nodes.
	maxRPC = 64 << 10
	// subBuffer is how many messages may wait between gossip and the inbox.
	subBuffer = 128
	// An author's heartbeats come at most every half second; with one more at
	// each adoption, an update and a commit, rounds of a second make six messages
	// a second. Eight, with a burst of 32, leave none for a flood.
	authorRate  = 8
	authorBurst = 32
	// maxAuthors bounds the authors that are remembered, each for authorMemory, by their rate and
	// their newest heartbeat.
	maxAuthors   = 1024
	authorMemory = 10 * time.Minute
	seqnoMemory  = time.Minute
	// An author counts its messages one by one, from its clock in nanoseconds: a
	// heartbeat that is older by less than this is of the same life.
	seqnoSpread = 1 << 16
	// What others pass on of an author comes within seconds, in which it sends fewer than maxBehind messages.
	maxBehind = 256
)

// Params is what Topics are made from.
type Params struct {
	Host   host.Host   // host whose streams are of members alone
	Swarm  proto.ID    // swarm that messages must be of
	Prefix protocol.ID // prefix of the topics and of the protocols that carry them
	// Members returns who belongs to the swarm at the moment; nil: everybody.
	Members func() *membership.List
	// Outsider tells whether a peer takes no part in the swarm.
	Outsider func(peer.ID) bool
}

// Validate says what is missing, in one line.
func (p Params) Validate() error {
	switch {
	case p.Host == nil:
		return errors.New("no host")
	case p.Swarm.IsZero():
		return errors.New("no swarm id")
	case p.Prefix == "":
		return errors.New("no prefix of protocols")
	case p.Members == nil:
		return errors.New("no word on who belongs to the swarm")
	case p.Outsider == nil:
		return errors.New("no word on who takes part")
	}
	return nil
}

// Topics is the two topics of a swarm, joined.
type Topics struct {
	params     Params
	self       peer.ID
	now        func() time.Time
	updates    *pubsub.Topic
	heartbeats *pubsub.Topic
	dropped    *drops
	writes     *writes
	inbox      *inbox
	cancel     context.CancelFunc
	wg         sync.WaitGroup

	mu         sync.Mutex
	authors    map[peer.ID]*author
	neighbours map[peer.ID]*neighbour
}

// author is what is remembered of one gossip author.
type author struct {
	seen     time.Time
	said     bucket
	echoed   bucket    // of updates and announcements that others passed on
	stranger bool      // whether it took no part in the swarm when it was first heard
	seqno    uint64    // number of the newest heartbeat
	beat     time.Time // arrival of the newest heartbeat
}

// New joins the topics, which work until Close or until ctx ends, whichever is first.
func New(ctx context.Context, p Params) (*Topics, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("gossip parameters: %w", err)
	}
	g := newTopics(p, p.Host.ID(), time.Now)
	ctx, g.cancel = context.WithCancel(ctx)
	if err := g.join(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	g.wg.Go(func() { g.inbox.pump(ctx) })
	return g, nil
}

func newTopics(p Params, self peer.ID, now func() time.Time) *Topics {
	dropped := &drops{self: self}
	return &Topics{
		params: p, self: self, now: now, dropped: dropped, writes: newWrites(), inbox: newInbox(dropped),
		authors: make(map[peer.ID]*author), neighbours: make(map[peer.ID]*neighbour),
	}
}

func (g *Topics) join(ctx context.Context) error {
	prefix := string(g.params.Prefix)
	topics := []string{prefix + "/updates/1", prefix + "/heartbeats/1"}
	ps, err := pubsub.NewGossipSub(ctx, patient{g.params.Host, g.pace, ctx},
		pubsub.WithGossipSubProtocols([]protocol.ID{g.params.Prefix + "/meshsub/1.3.0", g.params.Prefix + "/meshsub/1.2.0"}, features),
		pubsub.WithGossipSubParams(mesh()),
		pubsub.WithMessageIdFn(messageID),
		// Announcements are small, so the author sends to every neighbour: in a
		// small swarm they arrive at once and without a mesh.
		pubsub.WithFloodPublish(true),
		pubsub.WithMaxMessageSize(maxRPC),
		pubsub.WithSubscriptionFilter(pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(topics...), len(topics))),
		pubsub.WithPeerScore(scores(topics)),
		pubsub.WithRawTracer(tracer{g.dropped, g.writes}),
		pubsub.WithAppSpecificRpcInspector(func(from peer.ID, rpc *pubsub.RPC) error {
			n := g.allowed(from, len(rpc.GetPublish()))
			for range rpc.GetPublish()[n:] {
				g.dropped.add(tooMany)
			}
			rpc.Publish = rpc.GetPublish()[:n]
			return nil
		}),
	)
	if err != nil {
		return err
	}
	for i, into := range []**pubsub.Topic{&g.updates, &g.heartbeats} {
		if err := ps.RegisterTopicValidator(topics[i], g.validator(i == 1)); err != nil {
			return fmt.Errorf("registering a validator: %w", err)
		}
		if *into, err = ps.Join(topics[i]); err != nil {
			return fmt.Errorf("joining a topic: %w", err)
		}
		sub, err := (*into).Subscribe(pubsub.WithBufferSize(subBuffer))
		if err != nil {
			return fmt.Errorf("subscribing to a topic: %w", err)
		}
		g.wg.Go(func() { g.receive(ctx, sub) })
	}
	return nil
}

// Close ends both topics and waits for what reads them.
func (g *Topics) Close() error {
	g.cancel()
	g.wg.Wait()
	return nil
}

// Messages is the stream of checked messages of other nodes. It is never closed.
func (g *Topics) Messages() <-chan Message { return g.inbox.out }

// Subscribers are the connected peers that are known to read heartbeats, as every member does.
func (g *Topics) Subscribers() []peer.ID { return g.heartbeats.ListPeers() }

// Dropped counts the messages that went no further, by cause.
func (g *Topics) Dropped() map[string]uint64 { return g.dropped.all() }

// LongestWrite is how long the slowest frame to a neighbour took in the last minute; 0 where there was none.
func (g *Topics) LongestWrite(to peer.ID) time.Duration { return g.writes.longest(to) }

// mesh keeps the copies few. The author sends to all of its neighbours, which in
// a swarm of up to 32 nodes is everybody; what neighbours pass on mends
// losses and reaches the far side of larger swarms, so four of them do it, not
// six to twelve (8 nodes, heartbeats every 0.9 s: 13 KB/s a node instead of 20).
func mesh() pubsub.GossipSubParams {
	p := pubsub.DefaultGossipSubParams()
	p.D, p.Dlo, p.Dhi, p.Dscore, p.Dout, p.Dlazy = 4, 2, 4, 2, 1, 3
	return p
}

// messageID names a message by its author and number, in 12 bytes instead of
// the default's 46: lists of ids are most of what neighbours say without need.
func messageID(m *pb.Message) string {
	id := proto.Sum(slices.Concat(m.GetFrom(), m.GetSeqno()))
	return string(id[:12])
}

// features says what the swarm's own gossipsub protocols can do.
func features(f pubsub.GossipSubFeature, id protocol.ID) bool {
	v13 := strings.HasSuffix(string(id), "/meshsub/1.3.0")
	v12 := strings.HasSuffix(string(id), "/meshsub/1.2.0")
	switch f {
	case pubsub.GossipSubFeatureMesh, pubsub.GossipSubFeatureIdontwant:
		return v12 || v13
	case pubsub.GossipSubFeatureExtensions:
		return v13
	default: // no peer exchange: discovery finds peers
		return false
	}
}

// scores lets gossip turn away from neighbours that send what no honest one
// would pass on (16 such messages in an hour end in silence) or that misuse the
// protocol. Slow links and shared addresses cost nothing here.
func scores(topics []string) (*pubsub.PeerScoreParams, *pubsub.PeerScoreThresholds) {
	p := &pubsub.PeerScoreParams{
		SkipAtomicValidation:      true,
		Topics:                    make(map[string]*pubsub.TopicScoreParams),
		AppSpecificScore:          func(peer.ID) float64 { return 0 },
		BehaviourPenaltyWeight:    -1,
		BehaviourPenaltyThreshold: 6,
		BehaviourPenaltyDecay:     pubsub.ScoreParameterDecay(10 * time.Minute),
		DecayInterval:             pubsub.DefaultDecayInterval,
		DecayToZero:               pubsub.DefaultDecayToZero,
		RetainScore:               10 * time.Minute,
	}
	for _, t := range topics {
		p.Topics[t] = &pubsub.TopicScoreParams{
			SkipAtomicValidation: true,
			TopicWeight:          1,
			TimeInMeshWeight:     0.01, TimeInMeshQuantum: time.Second, TimeInMeshCap: 100,
			InvalidMessageDeliveriesWeight: -10, InvalidMessageDeliveriesDecay: pubsub.ScoreParameterDecay(time.Hour),
		}
	}
	return p, &pubsub.PeerScoreThresholds{SkipAtomicValidation: true, GossipThreshold: -500, PublishThreshold: -1000, GraylistThreshold: -2500}
}

// validator checks a topic's messages. Reject counts against the neighbour that
// sent it, Ignore only drops.
func (g *Topics) validator(heartbeats bool) pubsub.ValidatorEx {
	return func(_ context.Context, via peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
		from := msg.GetFrom()
		m, err := check(g.params.Swarm, heartbeats, proto.PeerID(from), msg.Data)
		switch {
		case errors.Is(err, errUnknownKind):
			g.dropped.add(unknownKind)
			return pubsub.ValidationIgnore
		case err != nil:
			g.dropped.add(malformed)
			return pubsub.ValidationReject
		case m.Author != proto.PeerID(from):
			// Everyone speaks for itself: a key made up in passing has no voice.
			g.dropped.add(notItsOwn)
			return pubsub.ValidationIgnore
		case from != g.self && !g.belongs(m):
			g.dropped.add(noMember)
			return pubsub.ValidationIgnore
		case from != g.self && !g.admit(from, via, msg.GetSeqno(), heartbeats):
			return pubsub.ValidationIgnore
		}
		m.Via = proto.PeerID(via)
		msg.ValidatorData = m
		return pubsub.ValidationAccept
	}
}

// belongs tells whether a message's author is a member. An update brings the proof, which
// whoever never met its author learns from it.
func (g *Topics) belongs(m Message) bool {
	b, now := g.params.Members(), g.now()
	if b == nil || b.Admitted(m.Author, now) {
		return true
	}
	return m.Update != nil && m.Update.Proof != nil && b.AdmitAuthor(*m.Update, now) == nil
}

// admit applies the rate limit, and lets no heartbeat pass that is older than
// one heard before: a copy kept by somebody must not make a dead peer look alive.
//
// Heartbeats are ordered by their seqnos, which begin at the author's clock, and
// that may be wrong: an author that was started again with an earlier clock is
// believed at once where it speaks for itself, and where others pass its
// heartbeats on as soon as its earlier life has been silent for seqnoMemory.
func (g *Topics) admit(from, via peer.ID, seqno []byte, heartbeat bool) bool {
	now := g.now()
	stranger := g.params.Outsider(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	if stranger && via != from && !g.of(via).strangers.take(now, strangerRate, strangerBurst) {
		g.dropped.add(tooMany)
		return false
	}
	a := g.authors[from]
	if a == nil || now.Sub(a.seen) > authorMemory {
		if len(g.authors) >= maxAuthors && !g.forgetOldest(stranger) {
			g.dropped.add(tooMany)
			return false
		}
		a = &author{stranger: stranger}
		g.authors[from] = a
	}
	if heartbeat && len(seqno) != 8 {
		g.dropped.add(malformed)
		return false
	}
	var s uint64
	if len(seqno) == 8 {
		s = binary.BigEndian.Uint64(seqno)
	}
	// What somebody repeats of an author's, which gossip knows for two minutes, must not use up what its author may say.
	said, old := &a.said, false
	switch {
	case heartbeat:
		old = s <= a.seqno && (a.seqno-s < seqnoSpread || via != from && now.Sub(a.beat) < seqnoMemory)
	case via != from:
		said, old = &a.echoed, s+maxBehind < a.seqno && a.seqno-s < seqnoSpread
	}
	if old {
		g.dropped.add(stale)
		return false
	}
	if !said.take(now, authorRate, authorBurst) {
		g.dropped.add(tooMany)
		return false
	}
	if heartbeat {
		a.seqno, a.beat = s, now
	}
	a.seen = now
	return true
}

// forgetOldest makes room for one more, a stranger or not, and tells whether there is some: for a stranger of strangers
// alone, or their number would let anybody's old heartbeats pass again.
func (g *Topics) forgetOldest(stranger bool) bool {
	var oldest peer.ID
	for id, a := range g.authors {
		if o := g.authors[oldest]; (a.stranger || !stranger) && (o == nil || a.stranger && !o.stranger || a.stranger == o.stranger && a.seen.Before(o.seen)) {
			oldest = id
		}
	}
	_, some := g.authors[oldest]
	delete(g.authors, oldest)
	return some
}

func (g *Topics) receive(ctx context.Context, sub *pubsub.Subscription) {
	defer sub.Cancel()
	for {
		msg, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if m, ok := msg.ValidatorData.(Message); ok && msg.ReceivedFrom != g.self {
			g.inbox.push(m)
		}
	}
}

// PublishUpdate announces an update to the swarm. Without neighbours it is sent
// to nobody, which is no error: peers ask for updates when they meet.
func (g *Topics) PublishUpdate(ctx context.Context, e *murmurv1.Envelope) error {
	return publish(ctx, g.updates, &murmurv1.Gossip{Kind: &murmurv1.Gossip_Update{Update: e}})
}

// PublishAnnounce announces a commit to the swarm.
func (g *Topics) PublishAnnounce(ctx context.Context, e *murmurv1.Envelope) error {
	return publish(ctx, g.updates, &murmurv1.Gossip{Kind: &murmurv1.Gossip_Announce{Announce: e}})
}

// PublishHeartbeat tells the swarm that this node is there.
func (g *Topics) PublishHeartbeat(ctx context.Context, h *murmurv1.Heartbeat) error {
	return publish(ctx, g.heartbeats, &murmurv1.Gossip{Kind: &murmurv1.Gossip_Heartbeat{Heartbeat: h}})
}

func publish(ctx context.Context, t *pubsub.Topic, m *murmurv1.Gossip) error {
	if err := t.Publish(ctx, proto.Encode(m)); err != nil {
		return fmt.Errorf("publishing to the swarm: %w", err)
	}
	return nil
}
