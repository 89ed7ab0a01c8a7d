package trial

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/murmurnet/murmur/trainer/inner/optimizer"
	"github.com/murmurnet/murmur/trainer/outer"
)

// Attack is what some of a trial's peers do, who know what all others send.
type Attack struct {
	Kind  string  `json:"kind"`
	Peers int     `json:"peers"`           // who do it: the last ones
	Norm  float64 `json:"norm"`            // of what they send, in medians of the others' norms; turned round where it is negative
	Claim uint64  `json:"claim,omitempty"` // tokens that they say they learned from, in those of the others; 0: as many
}

// Kinds of attack: what is sent.
const (
	othersSum = "sum"   // what the others send together
	random    = "noise" // a normal number for each parameter
	lastGains = "gains" // the last norm's gains, and nothing else
	nothing   = "zeros"
	ownWork   = "own"  // what they learned themselves
	another   = "copy" // what the first peer sends
)

func (a *Attack) validate(peers int) error {
	switch {
	case !slices.Contains([]string{othersSum, random, lastGains, nothing, ownWork, another}, a.Kind):
		return fmt.Errorf("attack %q is not known", a.Kind)
	case a.Peers < 1 || a.Peers >= peers:
		return fmt.Errorf("%d of %d peers attack: 1 to all but one can", a.Peers, peers)
	}
	return nil
}

// hostile tells whether peer i attacks.
func (s *swarm) hostile(i int) bool {
	return s.cell.Attack != nil && i >= len(s.peers)-s.cell.Attack.Peers
}

// forge replaces what a hostile peer sends, after all others have made theirs.
func (s *swarm) forge(i int, at outer.Round) error {
	a, n := s.cell.Attack, len(s.delta)
	honest := s.peers[:len(s.peers)-a.Peers]
	sum, norms := make([]float32, n), []float64{}
	z := make([]float32, n)
	for _, p := range honest {
		clear(z)
		if err := s.method.AddDecoded(z, at.Height, p.payload, 1); err != nil {
			return err
		}
		norms = append(norms, norm(z))
		for j, x := range z {
			sum[j] += x
		}
	}
	slices.Sort(norms)
	p, v := s.peers[i], make([]float32, n)
	switch a.Kind {
	case othersSum:
		copy(v, sum)
	case random:
		r := rand.New(rand.NewPCG(s.cell.Seed, at.Height<<8|uint64(i)))
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
	case lastGains:
		for j := s.gains[0]; j < s.gains[1]; j++ {
			v[j] = 1
		}
	case ownWork, another:
		from := p.payload
		if a.Kind == another {
			from = honest[0].payload
		}
		if err := s.method.AddDecoded(v, at.Height, from, 1); err != nil {
			return err
		}
	}
	if had := norm(v); had > 0 {
		scale := a.Norm * norms[(len(norms)-1)/2] / had
		for j := range v {
			v[j] = float32(scale * float64(v[j]))
		}
	}
	payload, err := s.method.Encode(nil, at, v, nil)
	if err != nil {
		return err
	}
	p.payload, p.own = payload, nil
	return s.method.Check(at.Height, payload)
}

func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// attacks are lines of bitloco in which some peers are hostile, beside those of a swarm without and of the others alone.
// Claims are the most that an update may count for, and norms what the mean once let pass.
func attacks() (ls []Line) {
	const rate, claim, long = 11e-3, 4, 1.99
	add := func(name, title string, peers int, a *Attack) {
		ls = append(ls, Line{
			Name: name, Title: title, Method: with(outer.Bitloco, nil), Optimizer: optimizer.Muon, H: 10, Peers: peers, Rate: rate,
			Claimed: true, Attack: a,
		})
	}
	add("clean-4", "4 peers, none hostile", 4, nil)
	add("clean-3", "the honest three of four alone", 3, nil)
	add("clean-8", "8 peers, none hostile", 8, nil)
	add("clean-2", "2 peers, none hostile", 2, nil)
	add("attack-sum-claim", "1 of 4: the others' sum turned round, 1.99x the norm, 4x the claim", 4, &Attack{othersSum, 1, -long, claim})
	add("attack-sum", "1 of 4: the others' sum turned round, 1.99x the norm", 4, &Attack{othersSum, 1, -long, 0})
	add("attack-noise", "1 of 4: noise, 1.99x the norm, 4x the claim", 4, &Attack{random, 1, long, claim})
	add("attack-gains", "1 of 4: the last norm's gains, 4x the claim", 4, &Attack{lastGains, 1, long, claim})
	add("attack-zeros", "1 of 4: zeros, 4x the claim", 4, &Attack{nothing, 1, 0, claim})
	add("attack-own", "1 of 4: own update turned round", 4, &Attack{ownWork, 1, -1, 0})
	add("attack-copy", "1 of 4: a copy, 4x the claim", 4, &Attack{another, 1, 1, claim})
	add("attack-pair", "1 of 2: own update at a scale of 60,000", 2, &Attack{ownWork, 1, 60_000, claim})
	add("attack-pair-noise", "1 of 2: noise at 60,000 norms", 2, &Attack{random, 1, 60_000, claim})
	add("attack-two", "2 of 8: the others' sum turned round, 1.99x the norm, 4x the claim", 8, &Attack{othersSum, 2, -long, claim})
	return ls
}
