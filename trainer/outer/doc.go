// Package outer holds the methods by which nodes fold what they learned into one shared state.
//
// With θ the shared parameters at a node's head and θ_local its own, float32, flat in the order of the model's layout, a
// node's residual d is what it learned and its branch lacks. A payload encodes d, or the part of it that the round takes,
// and decodes to z; publishing leaves d alone, and what a commit includes is taken off it ([Private]):
//
//	residual in the model    d = θ(head) − θ_local;  θ_local ← θ_local + (1 − α)·(θ(Y) − θ(X) + z), going from head X to Y
//	residual in a buffer b   b ← b + θ(head) − θ_local and θ_local ← θ(head) when publishing;  b ← β·(b − z) when included
//
// where z is the sum of the node's own payloads that are on Y's branch and not on X's; those that are left behind are put
// back. So learned steps and own payloads always balance (β = 1), and what is learned while a payload travels stays.
//
// # The mean
//
// All methods weigh the R updates of a commit alike. In float64, each operation rounded by itself:
//
//	w_i = c_i · tokens_i / Σ tokens     the sum in integers, at most 2^53
//	norm_i = √ Σ z_i²                   as the codec states it
//	median = the lower median of the R norms
//	c_i = median / norm_i               if R ≥ 3 and norm_i > 2·median, else 1
//
// and Δ = Σ w_i z_i over all R, never over those alone that sent a coordinate: one peer would own it. The same updates give
// the same bits on every CPU: float32 additions in the order of the list, no product fused with an addition.
//
// # bitloco
//
// MuLoCo (arXiv 2505.23725) with payloads of 1 bit a parameter and error feedback (1-bit SGD, Seide et al. 2014):
//
//	z = sign(d) · mean|d|, by chunks of 4096 parameters; with 2 bits, sign and one of two levels
//	θ(C) = θ(parent) − α·Δ                                       α = 1.5; 1 where R = 1
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
