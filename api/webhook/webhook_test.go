package webhook

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"facegate/access"
	"facegate/store"
)

type clock struct{}

func (clock) Trust(time.Time) (access.Clock, time.Time) { return access.ClockSynced, time.Time{} }

// received is what a server was sent.
type received struct {
	header http.Header
	body   string
}

// A hook is a server that answers with the statuses it is given, the last one for good.
type hook struct {
	mu       sync.Mutex
	statuses []int
	calls    []received
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, received{r.Header.Clone(), string(body)})
	status := h.statuses[0]
	if len(h.statuses) > 1 {
		h.statuses = h.statuses[1:]
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
}

func (h *hook) seen() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls
}

const body = `{"webhook_trigger":"faceAuth"}`

// newSender has a store with a project "p".
func newSender(t *testing.T) (*Sender, store.Project) {
	t.Helper()
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "s.db"), KeyFile: filepath.Join(dir, "s.key"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &Sender{DB: db, Clock: clock{}, Log: log}
	s.open()
	var p store.Project
	update(t, s, time.Now(), func(tx *store.Tx) (err error) {
		p, err = tx.SetProject(store.Project{API: store.APIArgos, Name: "p", Settings: json.RawMessage("{}")})
		return err
	})
	return s, p
}

func update(t *testing.T, s *Sender, now time.Time, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.DB.Update(t.Context(), s.act(now), fn); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, s *Sender, now time.Time, url string) {
	t.Helper()
	update(t, s, now, func(tx *store.Tx) error {
		return tx.AddWebhook(store.Webhook{API: store.APIArgos, Project: "p", URL: url, Body: []byte(body), Person: "ada"})
	})
}

// waiting is what is due by a time far away.
func waiting(t *testing.T, s *Sender, now time.Time) []store.Webhook {
	t.Helper()
	list, err := s.DB.DueWebhooks(t.Context(), now, 100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// refused counts the webhooks that were given up.
func refused(t *testing.T, s *Sender) (n int) {
	t.Helper()
	all, err := s.DB.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Kind == access.KindCommandRefused && e.Data["command"] == "webhook" {
			n++
		}
	}
	return n
}

// TestRun delivers what comes into the outbox, signed.
func TestRun(t *testing.T) {
	s, p := newSender(t)
	s.Every = time.Millisecond
	h := &hook{statuses: []int{204}}
	server := httptest.NewServer(h)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	add(t, s, time.Now(), server.URL)
	for len(waiting(t, s, time.Now().Add(time.Hour))) > 0 {
		if ctx.Err() != nil {
			t.Fatal("nothing was delivered")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	calls := h.seen()
	if len(calls) != 1 || calls[0].body != body || calls[0].header.Get("Content-Type") != "application/json" {
		t.Fatalf("the server was sent %q", calls)
	}
	signature := calls[0].header.Get("X-Facegate-Signature")
	text, _, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || signature != Sign(p.Secret, time.Unix(seconds, 0), []byte(body)) {
		t.Errorf("signature %q, %v", signature, err)
	}
}

// TestSign holds the format: others verify it.
func TestSign(t *testing.T) {
	// printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
	const want = "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163"
	if got := Sign("secret", time.Unix(1_700_000_000, 999), []byte("{}")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestBackOff tries again ever more seldom, and gives up after a day.
func TestBackOff(t *testing.T) {
	s, _ := newSender(t)
	h := &hook{statuses: []int{500, 302, 404, 503}}
	server := httptest.NewServer(h)
	defer server.Close()
	begin := time.Now().Truncate(time.Millisecond)
	add(t, s, begin, server.URL)
	var gaps []time.Duration
	last := begin
	for now := begin; refused(t, s) == 0; now = now.Add(10 * time.Second) {
		before := len(h.seen())
		if err := s.round(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if len(h.seen()) > before {
			gaps = append(gaps, now.Sub(last))
			last = now
		}
		if now.Sub(begin) > 25*time.Hour {
			t.Fatal("it is never given up")
		}
	}
	if n := len(gaps); n < 24 || n > 40 {
		t.Errorf("%d tries in a day: %v", n, gaps)
	}
	for i, g := range gaps[1:] {
		want := min(time.Hour, 30*time.Second<<min(i, 10))
		if low, high := want-want/8, want+want/8+10*time.Second; g < low || g > high {
			t.Errorf("wait %d was %v, want between %v and %v", i+1, g, low, high)
		}
	}
	if last.Sub(begin) > 24*time.Hour {
		t.Errorf("the last try was after %v", last.Sub(begin))
	}
}

func TestDeliveredAfterFailure(t *testing.T) {
	s, _ := newSender(t)
	h := &hook{statuses: []int{500, 200}}
	server := httptest.NewServer(h)
	defer server.Close()
	now := time.Now()
	add(t, s, now, server.URL)
	for i, at := range []time.Time{now, now.Add(time.Second), now.Add(time.Minute), now.Add(time.Hour)} {
		if err := s.round(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if got, want := len(h.seen()), []int{1, 1, 2, 2}[i]; got != want {
			t.Errorf("round %d: %d calls, want %d", i, got, want)
		}
	}
	if n := refused(t, s); n != 0 {
		t.Errorf("%d were given up", n)
	}
}

// TestUnreachable holds back nobody else's webhook, and a server that is not trusted is told
// nothing.
func TestUnreachable(t *testing.T) {
	s, _ := newSender(t)
	h := &hook{statuses: []int{200}}
	good := httptest.NewServer(h)
	defer good.Close()
	stranger := httptest.NewTLSServer(&hook{statuses: []int{200}})
	stranger.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer stranger.Close()
	now := time.Now()
	for _, url := range []string{"http://127.0.0.1:1/", stranger.URL, good.URL, "https://name.invalid/"} {
		add(t, s, now, url)
	}
	if err := s.round(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	left := waiting(t, s, now.Add(time.Hour))
	if len(left) != 3 || len(h.seen()) != 1 {
		t.Errorf("%d webhooks wait and %d calls arrived, want 3 and 1", len(left), len(h.seen()))
	}
	for _, w := range left {
		if w.Tries != 1 {
			t.Errorf("%v was tried %d times", w, w.Tries)
		}
	}
}

func TestTLS(t *testing.T) {
	s, _ := newSender(t)
	h := &hook{statuses: []int{200}}
	server := httptest.NewTLSServer(h)
	defer server.Close()
	s = &Sender{DB: s.DB, Clock: s.Clock, Log: s.Log, Roots: x509.NewCertPool()}
	s.open()
	s.Roots.AddCert(server.Certificate())
	now := time.Now()
	add(t, s, now, server.URL)
	if err := s.round(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if len(h.seen()) != 1 {
		t.Error("nothing arrived over https")
	}
}

// TestPlainStaysHere refuses plain HTTP to another machine at the connection, whatever a name
// resolves to.
func TestPlainStaysHere(t *testing.T) {
	ctx := context.WithValue(t.Context(), plainKey{}, true)
	if c, err := dial(ctx, "tcp", "192.0.2.1:80"); err == nil || !strings.Contains(err.Error(), "leaves this machine") {
		t.Errorf("dial: %v, %v", c, err)
	}
}

// TestProjectGone gives up what nobody can sign.
func TestProjectGone(t *testing.T) {
	s, _ := newSender(t)
	h := &hook{statuses: []int{200}}
	server := httptest.NewServer(h)
	defer server.Close()
	now := time.Now()
	add(t, s, now, server.URL)
	update(t, s, now, func(tx *store.Tx) error { return tx.DeleteProject(store.APIArgos, "p") })
	if err := s.round(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if len(h.seen()) != 0 || refused(t, s) != 1 {
		t.Errorf("%d calls, %d given up; want none and 1", len(h.seen()), refused(t, s))
	}
}
