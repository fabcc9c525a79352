// Package webhook tells the servers of projects what happened, from the store's outbox.
//
// A [Sender] is a task. It posts each webhook that is due, signed with the project's secret, and
// takes it out of the outbox once it was answered with a status of 2xx. Anything else is tried
// again after a while that doubles, from half a minute to an hour, until 24 h have passed; then
// the store gives it up and records that. A server may be told the same thing twice.
//
// What is posted goes over https, or to this machine itself. Redirects are not followed, and no
// more of an answer is read than its status.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/kiosk"
	"facegate/store"
)

// SignatureHeader holds the signature of a body, see [Sign].
const SignatureHeader = "X-Facegate-Signature"

// Bounds of what is done at once, and how often.
const (
	defaultEvery = 5 * time.Second
	timeout      = 10 * time.Second // of one call, from the look-up of the name to the answer's head
	atOnce       = 4                // calls
	batch        = 64
	firstWait    = 30 * time.Second
	longestWait  = time.Hour
)

// Sign is the signature of a body that is sent at a time: "t=", the time in seconds since 1970,
// ",v1=" and in hex the HMAC-SHA256 with the project's secret over the same seconds, a full stop
// and the body.
func Sign(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(t + "."))
	h.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(h.Sum(nil))
}

// A Sender empties the outbox. Its fields are set before it runs and not changed afterwards.
type Sender struct {
	DB    *store.DB
	Clock kiosk.Clock
	Roots *x509.CertPool // that servers are trusted by, nil: the system's
	Every time.Duration  // how often the outbox is looked at, 0: 5 s
	Log   *slog.Logger   // never nil

	once   sync.Once
	ready  chan struct{}
	client *http.Client
}

// String is the task's name.
func (s *Sender) String() string { return "webhooks" }

// Ready is closed: there is nothing to wait for.
func (s *Sender) Ready() <-chan struct{} {
	s.open()
	return s.ready
}

// open makes what the zero value lacks.
func (s *Sender) open() {
	s.once.Do(func() {
		s.ready = make(chan struct{})
		close(s.ready)
		s.client = &http.Client{
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:            dial,
				TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.Roots},
				MaxResponseHeaderBytes: 16 << 10,
				MaxIdleConns:           atOnce,
				IdleConnTimeout:        time.Minute,
				ForceAttemptHTTP2:      true,
			},
		}
	})
}

type plainKey struct{}

// dial connects a call over plain HTTP to this machine only, whatever its name resolves to.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: timeout}
	if ctx.Value(plainKey{}) != nil {
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err == nil && !a.Addr().Unmap().IsLoopback() {
				err = errors.New("plain HTTP leaves this machine")
			}
			return err
		}
	}
	return d.DialContext(ctx, network, address)
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	s.open()
	defer s.client.CloseIdleConnections()
	every := s.Every
	if every == 0 {
		every = defaultEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		// A store that cannot be read or written raises its own condition.
		if err := s.round(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "webhooks wait", logkey.Error, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round sends what is due.
func (s *Sender) round(ctx context.Context, now time.Time) error {
	due, err := s.DB.DueWebhooks(ctx, now, batch)
	if err != nil || len(due) == 0 {
		return err
	}
	line := make(chan store.Webhook)
	var workers sync.WaitGroup
	errs := make([]error, atOnce)
	for i := range errs {
		workers.Go(func() {
			for w := range line {
				errs[i] = errors.Join(errs[i], s.deliver(ctx, w, now))
			}
		})
	}
	for _, w := range due {
		line <- w
	}
	close(line)
	workers.Wait()
	return errors.Join(errs...)
}

func (s *Sender) act(now time.Time) store.Act {
	state, _ := s.Clock.Trust(now)
	return store.Act{At: now, Clock: state, Source: access.SourceSystem}
}

// deliver makes one call and keeps what came of it. The error is the store's.
func (s *Sender) deliver(ctx context.Context, w store.Webhook, now time.Time) error {
	err := s.send(ctx, w, now)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // nobody knows whether it arrived: it is sent again after the next start
	}
	next := now.Add(wait(w.Tries))
	if errors.Is(err, access.ErrNotFound) {
		next = w.Created.Add(48 * time.Hour) // of no project: nothing will ever sign it, so it is given up
	}
	return s.DB.Update(ctx, s.act(now), func(tx *store.Tx) error {
		if err == nil {
			return tx.WebhookDone(w.ID)
		}
		s.Log.DebugContext(ctx, "webhook not delivered", "webhook", w, logkey.Count, w.Tries+1, logkey.Error, err)
		return tx.WebhookFailed(w.ID, next)
	})
}

// wait is how long there is until the next try, a little more or less so that those that failed
// together do not come back together.
func wait(tries int) time.Duration {
	d := longestWait
	if tries < 8 {
		d = min(d, firstWait<<tries)
	}
	return d - d/8 + rand.N(d/4)
}

// send makes the call. The error wraps access.ErrNotFound where the project is gone, and tells
// nothing of the URL, which may hold a secret.
func (s *Sender) send(ctx context.Context, w store.Webhook, now time.Time) error {
	if err := store.CheckWebhookURL(w.URL); err != nil {
		return err
	}
	p, err := s.DB.Project(ctx, w.API, w.Project)
	if err != nil {
		return fmt.Errorf("webhook's project: %w", err)
	}
	u, err := url.Parse(w.URL)
	if err != nil {
		return errors.New("webhook's URL is none")
	}
	if u.Scheme != "https" {
		ctx = context.WithValue(ctx, plainKey{}, true)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(w.Body))
	if err != nil {
		return errors.New("webhook's URL is none")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "facegate")
	r.Header.Set(SignatureHeader, Sign(p.Secret, now, w.Body))
	resp, err := s.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return fmt.Errorf("send webhook: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("send webhook: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("webhook answered with status %d", resp.StatusCode)
	}
	return nil
}
