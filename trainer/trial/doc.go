// Package trial compares the methods: it trains one model with several virtual peers in one process, on one device and
// without a network, and says what each method reached and what it sent.
//
// What learns and what is sent are the daemon's own: trainer/outer's methods and each node's private part, the inner
// trainers, the data lanes, the schedules by committed tokens, payloads as they are encoded. Peers take turns on one
// trainer, whose state is loaded and read for each peer and round. A round: each peer does H steps, adopting the commit
// before after the first few of them where a trial says so, and encodes what it learned; then all payloads are checked
// and applied in order. All peers are of one speed, and each update is included. Equal cells give equal results on one
// backend.
//
// The package knows nothing of networks, rounds' timing, or where results are kept beside its own cells.
package trial
