//go:build race

package p2p_test

// racing says that the race detector watches: simulations take ten times as long.
const racing = true
