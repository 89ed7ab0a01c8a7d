//go:build race

package chain

// stride lets the crash tests, which have one goroutine and take minutes with
// the race detector, crash at every 13th write point under it.
const stride = 13
