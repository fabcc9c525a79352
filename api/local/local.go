// Package local is the daemon's own socket: HTTP over a Unix socket in the home directory, for
// the command line and for what stands at the door, such as a keypad.
//
//	GET  /health    {"conditions":[…]}: what is wrong, as package health writes it
//	GET  /guidance  what the person at the door is told now, a [kiosk.Guidance]
//	POST /pin       {"person":"ID","pin":"DIGITS"}: a PIN typed at the door; the answer is an [Answer]
//
// Errors are RFC 9457 problems. Who may open the socket is said by its file mode: its owner and
// group. Nothing here shows a similarity, a name or a silent alarm.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"facegate/access"
	"facegate/health"
	"facegate/internal/logkey"
	"facegate/kiosk"
)

// SocketName is the socket's name in the home directory.
const SocketName = "facegated.sock"

// maxBody bounds a request's body in bytes.
const maxBody = 4 << 10

// An Answer is what came of a PIN.
type Answer struct {
	Decision access.Outcome `json:"decision"`
	Reason   access.Reason  `json:"reason,omitempty"`
	Need     access.Need    `json:"need,omitempty"`
	Say      string         `json:"say"` // to the person
}

// A Server is the socket. It is a task.
type Server struct {
	Path   string
	Board  *health.Board
	Kiosk  *kiosk.Kiosk
	Screen *kiosk.Screen
	Log    *slog.Logger

	once  sync.Once
	ready chan struct{}
}

// String is the task's name.
func (s *Server) String() string { return "local socket" }

// Ready is closed once the socket listens.
func (s *Server) Ready() <-chan struct{} {
	s.once.Do(func() { s.ready = make(chan struct{}) })
	return s.ready
}

// Run serves until ctx ends. Another daemon on the same directory was kept out by the store's
// lock, so a socket that is there was left behind.
func (s *Server) Run(ctx context.Context) error {
	if err := os.Remove(s.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	l, err := listen(ctx, s.Path)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: s.handler(), ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	s.Ready()
	close(s.ready)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve local socket: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err = server.Shutdown(stop)
	<-ended //nolint:errcheck // it is that the server was shut down
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	return err
}

// listen opens the socket for its owner and group; the mode holds from the first moment.
func listen(ctx context.Context, path string) (net.Listener, error) {
	old := unix.Umask(0o117)
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("open local socket: %w", err)
	}
	return l, nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		all := s.Board.Conditions()
		if all == nil {
			all = []health.Condition{}
		}
		s.answer(w, http.StatusOK, map[string]any{"conditions": all})
	})
	mux.HandleFunc("GET /guidance", func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, http.StatusOK, s.Screen.Guidance(time.Now()))
	})
	mux.HandleFunc("POST /pin", s.pin)
	return mux
}

func (s *Server) pin(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Person string `json:"person"`
		PIN    string `json:"pin"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("text after the object")
		}
	}
	if err == nil {
		err = access.CheckID(in.Person)
	}
	if err != nil {
		s.problem(w, http.StatusBadRequest, `the body is {"person":"ID","pin":"DIGITS"}`)
		return
	}
	d, err := s.Kiosk.Type(r.Context(), in.Person, in.PIN)
	if err != nil && d.Outcome == access.Grant {
		s.problem(w, http.StatusServiceUnavailable, "the door did not open")
		return
	}
	s.answer(w, http.StatusOK, Answer{Decision: d.Outcome, Reason: d.Reason, Need: d.Need, Say: kiosk.Words(d)})
}

func (s *Server) problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	s.write(w, status, map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": detail})
}

func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	s.write(w, status, v)
}

func (s *Server) write(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.Log.Debug("answer not written", logkey.Error, err)
	}
}
