package manifest

import (
	"cmp"

	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/trainer/model"
)

func encodeModel(m Model) *murmurv1.Model {
	return &murmurv1.Model{
		Family: m.Family, Vocab: uint32(m.Vocab), Dim: uint32(m.Dim), Layers: uint32(m.Layers), Heads: uint32(m.Heads), KvHeads: uint32(m.KVHeads),
		HeadDim: uint32(m.HeadDim), Ffn: uint32(m.FFN), SeqLen: uint32(m.SeqLen),
		RopeTheta: m.RopeTheta, RopeScaling: encodeScaling(m.RopeScaling), RopeDim: uint32(m.RopeDim), Unrotated: string(m.Unrotated),
		Window: uint32(m.Window), Windowed: string(m.Windowed), WindowTheta: m.WindowTheta,
		AttentionBias: m.AttentionBias, FfnBias: m.FFNBias, AttentionScale: m.AttentionScale, AttentionCap: m.AttentionCap,
		LogitCap: m.LogitCap, LogitScale: m.LogitScale, EmbeddingScale: m.EmbeddingScale, ResidualScale: m.ResidualScale,
		NormEps: m.NormEps, Tied: m.Tied, Padding: uint32(m.Padding),
		Weights: encodeBlob(m.Weights), Origin: encodeBlob(m.Origin), Base: encodeBlobs(m.BaseFiles),
	}
}

func encodeAdapter(a *model.Adapter) *murmurv1.Adapter {
	if a == nil {
		return nil
	}
	return &murmurv1.Adapter{Rank: uint32(a.Rank), Alpha: a.Alpha, Rslora: a.RSLoRA, Targets: a.Targets, Train: a.Train, Base: a.Base}
}

func decodeAdapter(w *murmurv1.Adapter) *model.Adapter {
	if w == nil {
		return nil
	}
	return &model.Adapter{Rank: int(w.Rank), Alpha: w.Alpha, RSLoRA: w.Rslora, Targets: w.Targets, Train: w.Train, Base: w.Base}
}

// Adapt has an adapter trained in place of the model. What it leaves out has defaults: alpha is twice the rank, B alone is trained, and the base lies on
// the device in bfloat16.
func (m *Manifest) Adapt(a *model.Adapter) {
	complete(a)
	m.Adapter, m.Model.Adapter = a, a
}

// complete sets what an adapter leaves out.
func complete(a *model.Adapter) {
	if a != nil {
		a.Alpha = cmp.Or(a.Alpha, 2*float64(a.Rank))
		a.Train, a.Base = cmp.Or(a.Train, model.TrainB), cmp.Or(a.Base, model.BaseBF16)
	}
}

// decodeModel reads all but the files that it names.
func decodeModel(w *murmurv1.Model) model.Config {
	return model.Config{
		Family: w.GetFamily(), Vocab: int(w.GetVocab()), Dim: int(w.GetDim()), Layers: int(w.GetLayers()), Heads: int(w.GetHeads()), KVHeads: int(w.GetKvHeads()),
		HeadDim: int(w.GetHeadDim()), FFN: int(w.GetFfn()), SeqLen: int(w.GetSeqLen()),
		RopeTheta: w.GetRopeTheta(), RopeScaling: decodeScaling(w.GetRopeScaling()), RopeDim: int(w.GetRopeDim()), Unrotated: model.Pattern(w.GetUnrotated()),
		Window: int(w.GetWindow()), Windowed: model.Pattern(w.GetWindowed()), WindowTheta: w.GetWindowTheta(),
		AttentionBias: w.GetAttentionBias(), FFNBias: w.GetFfnBias(), AttentionScale: w.GetAttentionScale(), AttentionCap: w.GetAttentionCap(),
		LogitCap: w.GetLogitCap(), LogitScale: w.GetLogitScale(), EmbeddingScale: w.GetEmbeddingScale(), ResidualScale: w.GetResidualScale(),
		NormEps: w.GetNormEps(), Tied: w.GetTied(), Padding: int(w.GetPadding()),
	}
}

func encodeScaling(s model.RopeScaling) *murmurv1.RopeScaling {
	if s.IsZero() {
		return nil
	}
	return &murmurv1.RopeScaling{
		Type: s.Type, Factor: s.Factor, LowFreqFactor: s.Low, HighFreqFactor: s.High, BetaFast: s.BetaFast, BetaSlow: s.BetaSlow, Untruncated: s.Untruncated,
		AttentionFactor: s.AttentionFactor, ShortFactor: s.Short, LongFactor: s.Long, OriginalPositions: uint32(s.Original),
	}
}

func decodeScaling(w *murmurv1.RopeScaling) model.RopeScaling {
	return model.RopeScaling{
		Type: w.GetType(), Factor: w.GetFactor(), Low: w.GetLowFreqFactor(), High: w.GetHighFreqFactor(), BetaFast: w.GetBetaFast(), BetaSlow: w.GetBetaSlow(),
		Untruncated: w.GetUntruncated(), AttentionFactor: w.GetAttentionFactor(), Short: w.GetShortFactor(), Long: w.GetLongFactor(), Original: int(w.GetOriginalPositions()),
	}
}
