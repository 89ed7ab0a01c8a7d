package manifest

import (
	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
	"github.com/murmurnet/murmur/trainer/outer"
)

func encodeMethod(s outer.Settings) *murmurv1.Method {
	w := &murmurv1.Method{
		Name: s.Name, Bits: s.Bits, Values: s.Values, Chunk: s.Chunk, Keep: s.Keep, Decay: s.Decay, OuterLr: s.OuterLR,
		Momentum: s.Momentum, Fragments: s.Fragments, Mix: s.Mix, Epochs: s.Epochs, Residual: s.Residual, Norms: s.Norms, Embedding: s.Embedding, Mean: s.Mean,
	}
	for _, p := range s.Schedule {
		w.Schedule = append(w.Schedule, &murmurv1.MethodPoint{Tokens: p.Tokens, H: p.H, Keep: p.Keep, OuterLr: p.OuterLR})
	}
	return w
}

func decodeMethod(w *murmurv1.Method) outer.Settings {
	s := outer.Settings{
		Name: w.GetName(), Bits: w.GetBits(), Values: w.GetValues(), Chunk: w.GetChunk(), Keep: w.GetKeep(), Decay: w.GetDecay(),
		OuterLR: w.GetOuterLr(), Momentum: w.GetMomentum(), Fragments: w.GetFragments(), Mix: w.GetMix(), Epochs: w.GetEpochs(),
		Residual: w.GetResidual(), Norms: w.GetNorms(), Embedding: w.GetEmbedding(), Mean: w.GetMean(),
	}
	for _, p := range w.GetSchedule() {
		s.Schedule = append(s.Schedule, outer.Point{Tokens: p.GetTokens(), H: p.GetH(), Keep: p.GetKeep(), OuterLR: p.GetOuterLr()})
	}
	return s
}
