package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/murmurnet/murmur/node/api"
)

// rounds writes where the swarm is, and how its rounds went on this node.
func (w writer) rounds(s api.State) {
	w.gauge("head_height", "The round that the node stands on.", float64(s.Head.Height))
	w.counter("head_tokens_total", "Tokens that the swarm has committed since its beginning, by this node's head.", float64(s.Head.Tokens))
	w.gauge("head_roster_nodes", "Nodes with an update in the last three rounds.", float64(s.Head.Roster))
	w.known("schedule_tokens", "Tokens at which the swarm's training is complete.", float64(s.Schedule.TotalTokens))

	w.gauge("round_age_seconds", "How long the round under way lasts.", s.Round.Seconds)
	w.gauge("round_active_nodes", "Nodes that share the round under way.", float64(s.Round.Active))
	w.gauge("round_steps", "Inner steps of a round (H).", float64(s.Round.H))
	w.known("round_last_seconds", "How long the newest round took.", s.Round.Last.Seconds)
	w.gauge("round_last_view", "Nodes whose turn it was to close the newest round before the one that did.", float64(s.Round.Last.View))
	w.known("round_loss_nats", "The mean training loss of the newest round's updates, in nats a token.", s.Round.Last.Loss)

	w.known("round_last_move_ratio", "How far the newest round moved the model, by the median of the sixteen before.", s.Round.Last.Moved)

	n := s.Counts
	w.counter("rounds_total", "Rounds that this node has taken over since it started.", float64(n.Rounds))
	w.took(n)
	w.outcomes("updates_total", "Updates of those rounds, by what became of them.", n.Included, n.Missing)
	w.counter("updates_late_total", "Updates that came when their round was over: updates_total has them as missing.", float64(n.Late))
	w.outcomes("own_updates_total", "This node's updates of those rounds, by what became of them.", n.OwnIncluded, n.OwnMissing)
	w.counter("own_tokens_total", "Tokens of this node's updates that rounds took in.", float64(s.Share.Tokens))

	if h := s.Heldout; h != nil {
		w.gauge("heldout_loss_nats", "The newest held-out loss that the swarm measured, in nats a token.", h.Loss)
		w.gauge("heldout_height", "The round that it belongs to.", float64(h.Height))
	}
}

func (w writer) outcomes(name, help string, included, missing uint64) {
	w.counter(name, help, float64(included), "outcome", "included")
	w.counter(name, help, float64(missing), "outcome", "missing")
}

// took writes the rounds by how long they took.
func (w writer) took(n api.Counts) {
	buckets := make(map[float64]uint64, len(n.Took))
	var sum uint64
	for i, bound := range api.RoundBounds {
		sum += n.Took[i]
		buckets[bound] = sum
	}
	d := describe("round_duration_seconds", "How long those rounds took.", nil)
	w.out <- prometheus.MustNewConstHistogram(d, n.Rounds, n.Seconds, buckets)
}
