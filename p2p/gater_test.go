package p2p

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// TestStrangersAreThrottled: an address that strangers keep coming from is barred, but for
// one in refusalEvery, so that a member behind the same address is heard in the end.
func TestStrangersAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGater()
		stranger, other := multiaddr.StringCast("/ip4/192.0.2.1/tcp/1"), multiaddr.StringCast("/ip4/192.0.2.2/tcp/1")
		heard := 0
		for range 10_000 { // in a minute
			if !g.barred(stranger) {
				g.refused(stranger)
				heard++
			}
			time.Sleep(6 * time.Millisecond)
		}
		if most := mostRefusals + int(time.Minute/refusalEvery) + 1; heard < mostRefusals || heard > most {
			t.Errorf("%d of 10,000 strangers were heard, wanted %d at most", heard, most)
		}
		if g.barred(other) {
			t.Error("another address is barred too")
		}
		time.Sleep(refusalEvery)
		if g.barred(stranger) {
			t.Error("the address stays barred while nobody comes from it")
		}
		g.admitted(other)
		heard = 0
		for i := range 2 * maxRefused { // at once
			fresh := multiaddr.StringCast(fmt.Sprintf("/ip6/2001:db8:%x:%x::1/tcp/1", i/256, i%256<<8))
			if !g.barred(fresh) {
				heard++
			}
			g.refused(fresh)
		}
		if heard > 2*strangersASecond {
			t.Errorf("%d strangers from fresh addresses were heard at once", heard)
		}
		if g.barred(other) {
			t.Error("so many strangers bar an address that a member came from")
		}
		if len(g.from) > maxRefused {
			t.Errorf("%d addresses are remembered", len(g.from))
		}
	})
}
