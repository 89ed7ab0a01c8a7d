//go:build race

package node_test

// racing says that the race detector watches: simulations take ten times as long.
const racing = true
