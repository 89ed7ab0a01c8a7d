//go:build !linux

package presence

import "errors"

// errNoWay says that this system gives no way to know.
var errNoWay = errors.New("this system does not say when it was used last")
