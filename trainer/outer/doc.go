// Package outer holds the methods by which nodes fold what they learned into one shared state.
//
// With θ the shared parameters at a node's head and θ_local its own, float32, flat in the order of the model's layout, a
// node's residual d is what it learned and its branch lacks. A payload encodes d, or the part of it that the round takes,
// and decodes to z; publishing leaves d alone, and what a commit includes is taken off it ([Feedback]):
//
//	residual in the model    d = θ(head) − θ_local;  θ_local ← θ_local + (1 − α)·(θ(Y) − θ(X) + z), going from head X to Y
//	residual in a buffer b   b ← b + θ(head) − θ_local and θ_local ← θ(head) when publishing;  b ← β·(b − z) when included
//
// where z is the sum of the node's own payloads that are on Y's branch and not on X's; those that are left behind are put
// back. So learned steps and own payloads always balance (β = 1), and what is learned while a payload travels stays.
//
// # The mean
//
// All methods take the mean of the R updates of a commit so that none of them counts for more than is usual. In float64,
// each operation rounded by itself:
//
//	t_i = min(tokens_i, the lower median of the R claims)
//	w_i = t_i / Σ t                     the sum in integers, at most 2^53
//	s_ic                                the scale of chunk c in update i
//	m_c = the lower median of s_ic      of two the smaller that is not 0, and at most 2·p_c; alone s_c, at most 2·p_c
//	p_c ← m_c, or where that is less, p_c − (p_c − m_c)/8
//
// and Δ = Σ w_i z_i over all R, never over those alone that sent a coordinate, with no scale of a chunk above m_c. p is
// part of the shared state, a float32 a chunk, 0 at first; 0 bounds nothing. What a scale is:
//
//	bitloco                   the chunk's mean |d|, of 4096 parameters; with 2 bits, the higher level
//	sparseloco                the higher of the chunk's levels
//	diloco, streaming, fedavg, allreduce; norms and embedding apart    the L2 norm of the chunk's values
//	distro                    the L2 norm of a block's coefficients, of 64×64
//
// So whatever is sent, a parameter moves by no more than α·m_c in a commit; with momentum, by one update, no more than
// α·m_c/(1 − μ) over all commits that follow. distro's and allreduce's steps have lengths of their own, which no update
// changes but through AdamW's moments. With bitloco's 1 bit Δ is a trimmed mean besides: of the weight of the signs of a
// coordinate, a quarter at either end is left out (codec.OneBit). Trimming and norms bounded by a median are the field's
// (Yin et al. 2018, arXiv 1803.01498; SparseLoCo).
//
// The same updates give the same bits on every CPU: additions in the order of the list, no product fused with an addition.
//
// # bitloco
//
// MuLoCo (arXiv 2505.23725) with payloads of 1 bit a parameter and error feedback (1-bit SGD, Seide et al. 2014):
//
//	z = sign(d) · mean|d|, by chunks of 4096 parameters; with 2 bits, sign and one of two levels
//	θ(C) = θ(parent) − α·Δ                                       α = 1.2; 1 where R = 1, 1.5 where R = 2 and of 1 bit
//
// What several nodes learned points apart, so its mean is short: with four peers and H = 32 a small model was 0.028 nats
// better by α = 1.5 than by 1, over three seeds, and a lone one 0.019 worse. The residual stays in the local model: a node
// goes on from θ(C) − d and not from θ(C), which takes no vector more. A buffer was 0.012 nats better, each with a learning
// rate of its own (docs/methods-bench.md).
//
// Norms, and embedding and head, may be sent apart, every value in a format of their own (Settings); so too in sparseloco.
//
// # sparseloco
//
// SparseLoCo (arXiv 2508.15706): the largest 64 of each 4096 coordinates, in 2 bits, and a buffer with β = 0.95.
//
//	z = Q(TopK(b)),  b ← β·(b − z),  θ(C) = θ(parent) − α·Δ      α = 1, no outer momentum
//
// The paper decays the buffer before it adds to it; here when an update is included, so that a round that is lost costs
// nothing. It is the same sequence otherwise. Chunks run along the rows, not over 64×64 blocks.
//
// # diloco
//
// DiLoCo (arXiv 2311.08105): Nesterov's momentum on the mean of what nodes moved, every value sent.
//
//	m ← μ·m + Δ,  θ(C) = θ(parent) − α·(Δ + μ·m)                 α = 0.7, μ = 0.9; m is shared state
//
// Values are fp32, fp16, int8 or fp4 (E3M0), quantised once by the sender, accumulated in float32. What quantising cuts
// off stays in the residual, where the paper drops it.
//
// # streaming
//
// Streaming DiLoCo (arXiv 2501.18512): of F fragments, strided over the layers, one takes its turn a round; a node mixes
// what comes with its own values, α (Mix) = 0.5. The overlap τ is the time that the exchange takes. Embedding, last norm
// and head go with the first fragment.
//
// # fedavg
//
// Federated averaging (McMahan et al. 2017): θ(C) = θ(parent) − Δ with every value sent, weighted by what each trained on.
//
// # distro
//
// DeMo (arXiv 2411.19870), DisTrO's optimizer: gradients g fill a buffer, of whose cosine transform by blocks of 64×64 the
// largest coefficients C are sent, each as a sign with the block's scale, or in fp16:
//
//	b ← b + η·g,  z = IDCT(C),  b ← β·(b − z),  θ(C) = (1 − η·wd)·θ(parent) − η·sign(IDCT(Σ w_i C_i))
//
// The reference takes the mean over those that sent a coefficient, and blocks of the largest divisor of a dimension up to
// 64; here the mean is over all, and blocks are padded. The sign comes from an integer transform.
//
// # allreduce
//
// AdamW on the mean of the gradients, a step a commit; its moments are shared state. A node waits for each commit, and
// what a commit leaves out is dropped.
//
// The package does not know how updates travel or who made them, and nothing of devices.
package outer
