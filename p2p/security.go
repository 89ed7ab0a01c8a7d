package p2p

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	webtransport "github.com/libp2p/go-libp2p/p2p/transport/webtransport"
)

// transports are QUIC, WebTransport and TCP, made so that no handshake asks what time it is.
//
// libp2p's certificates are valid from an hour before they were made, by the
// clock of the machine that made them, and a peer whose clock is further behind
// refuses them: a machine with a wrong clock would reach nobody. A certificate's
// dates mean nothing here, since each is made anew at a start and vouched for by
// the peer's key, so ours are valid always. The TLS of TCP connections cannot be
// told that; Noise has no dates.
func transports() ([]libp2p.Option, error) {
	cert, err := timeless()
	if err != nil {
		return nil, err
	}
	return []libp2p.Option{
		libp2p.Transport(quic.NewTransport, quic.WithTLSIdentityOption(libp2ptls.WithCertTemplate(cert))),
		libp2p.Transport(webtransport.New), libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(noise.ID, noise.New),
	}, nil
}

// timeless is a template of a certificate that is always valid.
func timeless() (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{SerialNumber: serial.String()},
		NotBefore:    time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), // the earliest that X.509 can say
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}, nil
}
