//go:build !race

package chain

// stride is 1: the crash tests crash at every write point.
const stride = 1
