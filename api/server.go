package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"facegate/internal/logkey"
)

// relisten is the pause before an address that is taken is tried again.
const relisten = 2 * time.Second

// A Server serves the APIs. It is a task. An address that cannot be listened on is no end of the
// daemon, whose door goes on: it is tried again until it can.
type Server struct {
	Listen string // host:port
	Cert   string // files of the TLS certificate and key; both empty: plain HTTP
	Key    string
	Mux    *http.ServeMux
	Down   func(error) // where set, is told why nothing is served, and nil once it is
	Log    *slog.Logger

	once  sync.Once
	ready chan struct{}
	addr  atomic.Value // net.Addr
}

// String is the task's name.
func (s *Server) String() string { return "http" }

// Ready is closed once the server has tried to listen.
func (s *Server) Ready() <-chan struct{} {
	s.once.Do(func() { s.ready = make(chan struct{}) })
	return s.ready
}

// Addr is where the server listens, once it is ready and not down.
func (s *Server) Addr() net.Addr {
	addr, _ := s.addr.Load().(net.Addr)
	return addr
}

// Run serves until ctx ends. Calls that are under way then have a moment to end.
func (s *Server) Run(ctx context.Context) error {
	l := s.listen(ctx)
	if l == nil {
		return nil // ctx has ended
	}
	conns := limit(l, maxConns, maxFrom)
	server := &http.Server{
		Handler: s.guard(s.Mux, conns.crowded), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ConnState: conns.state,
		// A call is a connection, so that what bounds these bounds the memory of calls.
		Protocols: new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	s.Log.Info("APIs are served", logkey.Address, l.Addr())
	ended := make(chan error, 1)
	go func() {
		if s.Cert != "" {
			ended <- server.ServeTLS(conns, s.Cert, s.Key)
			return
		}
		ended <- server.Serve(conns)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := server.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended //nolint:errcheck // it is that the server was shut down
	return err
}

// listen listens once the address can be had. Ready is closed after the first try.
func (s *Server) listen(ctx context.Context) net.Listener {
	s.Ready()
	ready := sync.OnceFunc(func() { close(s.ready) })
	defer ready()
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
		if err == nil {
			s.addr.Store(l.Addr())
		}
		if s.Down != nil && ctx.Err() == nil {
			s.Down(err)
		}
		if err == nil {
			return l
		}
		ready()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(relisten):
		}
	}
}

// guard sets what every answer has and keeps a panic of one call from the others.
func (s *Server) guard(next http.Handler, crowded func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.Log.Error("call failed", logkey.Path, r.URL.Path, logkey.Error, fmt.Sprint(p))
				http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			}
		}()
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if crowded() {
			h.Set("Connection", "close") // better than a connection that ends while the next call is sent
		}
		rc := http.NewResponseController(w)
		b := &body{ReadCloser: r.Body, interrupt: func() { _ = rc.SetReadDeadline(time.Now()) }} // else it has the server's
		r.Body = b
		if r.ContentLength >= 0 && r.ContentLength <= readAnyway {
			next.ServeHTTP(w, r)
			return
		}
		duplex := rc.EnableFullDuplex() == nil
		next.ServeHTTP(w, r)
		if duplex && !b.tooSlow() {
			drain(rc, r)
		}
	})
}

const (
	readAnyway  = 256 << 10 // bytes of a body that net/http reads to its end in any case
	drainAtMost = 64 << 20
	drainWithin = 5 * time.Second
)

// drain reads what a handler has left of a large body, which was answered already: a client that
// is still sending when the connection is closed would lose the answer.
func drain(rc *http.ResponseController, r *http.Request) {
	if rc.Flush() != nil || rc.SetReadDeadline(time.Now().Add(drainWithin)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, drainAtMost) // whoever sends more or takes longer has been answered
}

// RetryAfter sets the header of an answer that asks to wait.
func RetryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((d+time.Second-1)/time.Second))))
}
