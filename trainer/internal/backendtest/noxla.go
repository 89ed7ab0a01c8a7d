//go:build !cgo || race || !(linux || darwin)

package backendtest

import "testing"

func xlaConfig(t testing.TB) string {
	t.Helper()
	t.Skip("this test binary does not link XLA: built without cgo or with -race")
	return ""
}
