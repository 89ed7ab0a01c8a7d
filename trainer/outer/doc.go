// Package outer holds the methods by which nodes fold what they learned into one shared model. There are two:
//
// # bitloco
//
// MuLoCo (arXiv 2505.23725) with payloads of 1 bit a parameter and error feedback (1-bit SGD, Seide et al. 2014), where
// the residual stays in the local model. With θ the shared parameters at the node's head and θ_local its own, float32,
// flat in the order of the model's layout:
//
//	d = θ(head) − θ_local           all that the node learned and its branch lacks
//	z = sign(d) · mean|d|           by chunks of 4096 parameters; what a payload decodes to. Publishing leaves d alone
//	θ(C) = θ(parent) − Σ w_i c_i z_i        the commit C of updates i = 1 … R
//	θ_local ← θ_local + θ(Y) − θ(X) + z     going from head X to Y, where z is the sum of the node's own payloads that are
//	                                on Y's branch and not on X's, less those on X's and not on Y's (β = 1)
//
// so that d, learned steps and own payloads always balance. A node goes on from θ(C) − d and not from θ(C): measured on
// a small model, that costs nothing against averaging in fp32 at the same number of inner steps, where a residual kept
// in a buffer costs 0.08 nats.
//
// # Apply
//
// θ(C) is the same bits on every CPU. In float64, each operation rounded by itself:
//
//	w_i = tokens_i / Σ tokens           the sum in integers, at most 2^53
//	norm_i = √ Σ n·scale²               over chunks of n parameters, in order
//	median = the lower median of the R norms
//	c_i = median / norm_i               if R ≥ 3 and norm_i > 2·median, else 1
//
// and then, for a chunk, s_i = float32(w_i·c_i·scale_i) and float32 additions in the order of the list, as
// codec.OneBit.Subtract states them.
//
// # dense
//
// The same with z = d, as float32: what bitloco is measured against. z_i is a coordinate's value in place of a scale with
// a sign; norms are summed over spans of 65536 parameters, and the terms w_i·c_i·z_i subtracted one after the other.
//
// The package does not know how updates travel or who made them, and nothing of devices.
package outer
