package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/murmurnet/murmur/node/api"
)

const (
	headerTimeout = 5 * time.Second
	closeTimeout  = time.Second
)

// Server answers scrapes.
type Server struct {
	Addr string // that it listens on
	http *http.Server
	done chan struct{}
}

// Serve answers at http://ADDR/metrics until Close. There is nothing to be steered there and
// no secret to be read.
func Serve(addr string, state func() api.State) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for scrapes of metrics: %w", err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(New(state)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	s := &Server{Addr: l.Addr().String(), http: &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // returns when closed
	}()
	return s, nil
}

// Close stops answering and waits for it.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}
