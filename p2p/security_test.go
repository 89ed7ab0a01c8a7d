package p2p

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"

	"github.com/murmurnet/murmur/proto/prototest"
)

// TestWrongClocks checks certificates made today on a machine where it is the
// year 2000, which is when virtual time begins.
func TestWrongClocks(t *testing.T) {
	key, err := crypto.UnmarshalEd25519PrivateKey(prototest.Key(1))
	if err != nil {
		t.Fatal(err)
	}
	template, err := timeless()
	if err != nil {
		t.Fatal(err)
	}
	made := func(opts ...libp2ptls.IdentityOption) []*x509.Certificate {
		identity, err := libp2ptls.NewIdentity(key, opts...)
		if err != nil {
			t.Fatal(err)
		}
		config, _ := identity.ConfigForPeer("")
		cert, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return []*x509.Certificate{cert}
	}
	ours, libp2ps := made(libp2ptls.WithCertTemplate(template)), made()
	check := func(t *testing.T) {
		if _, err := libp2ptls.PubKeyFromCertChain(ours); err != nil {
			t.Errorf("at %v: %v", time.Now(), err)
		}
	}
	check(t)
	synctest.Test(t, func(t *testing.T) {
		check(t)
		if _, err := libp2ptls.PubKeyFromCertChain(libp2ps); err == nil {
			t.Error("libp2p's own certificates know no time any more: security.go can go")
		}
		time.Sleep(200 * 365 * 24 * time.Hour)
		check(t)
	})
}
