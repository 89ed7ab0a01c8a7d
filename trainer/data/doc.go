// Package data says what a node learns from: the tokens of a data set, and which of its samples a node trains on.
//
// The embedded text is Isaac Newton's Opticks, fourth edition (London, 1730), in the transcription that the Go
// distribution ships as src/testdata/Isaac.Newton-Opticks.txt. The work is in the public domain. Bytes are tokens.
//
// A sample's number follows from the manifest and a position alone: positions count up without end, each run of n of
// them is one epoch, and [Permute] sends an epoch's positions to distinct samples. Which positions a node takes in a
// round follows from the manifest, the parent commit and the peer ([Assignment]), so anyone can redo anyone's batch.
// Everything is integer arithmetic: the same on every CPU.
//
// The package knows nothing of the network, of models or of devices.
package data
