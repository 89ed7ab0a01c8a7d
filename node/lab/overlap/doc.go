// Package overlap answers how much of their time devices are kept busy with
// training while updates travel over home links: behind murmur bench overlap.
//
// It runs round machines (node/round) in virtual time, each with a model of
// what a node puts around it: a link that its transfers share, p2p's way of
// fetching blobs, the order in which node/executor carries out effects, a device
// that does one thing at a time. Payloads have a size and no content. Equal
// parameters give equal results. It must not open a socket, a file or a device.
package overlap
