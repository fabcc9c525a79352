package apitest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"facegate/access"
	"facegate/access/policyfile"
	"facegate/api"
	"facegate/document"
	"facegate/internal/sharedtest"
	"facegate/internal/task"
	"facegate/judge"
	"facegate/kiosk"
	"facegate/models"
	"facegate/models/load"
	"facegate/pipeline"
	"facegate/store"
)

// Options say what a server is like that is not as usual.
type Options struct {
	Broken    []string      // roles of models whose files are truncated
	Ended     []string      // roles of models whose licence has ended
	Foreign   []string      // roles of models that are licensed to another tenant
	Deadline  time.Duration // of the judge, 0: a minute, so that a slow machine fails no test
	Waiting   int           // pictures that may wait, 0: the judge's default
	Bodies    int64         // bytes of bodies that are held at once, 0: as a daemon holds
	Yield     func(context.Context)
	NoConsent bool // the store does not ask for consent
}

// A Server is an API that runs until the test ends.
type Server struct {
	URL     string // http://127.0.0.1:port
	DB      *store.DB
	Judge   *judge.Judge
	Service *api.Service
	Clock   *Clock
	Door    *Door
	Camera  *Camera
	Log     *Log

	dir    string // of the store
	people *kiosk.People
}

// New starts a server; register adds the API under test, such as facephi.Register.
func New(tb testing.TB, register func(*http.ServeMux, *api.Service), o Options) *Server {
	tb.Helper()
	home := home(tb, o)
	s := &Server{Clock: &Clock{}, Door: &Door{}, Camera: &Camera{}, Log: &Log{}}
	log := slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	engine, err := load.OpenAny(home, filepath.Join(home, "models"), 1)
	if err != nil {
		tb.Fatal(err)
	}
	open := func() (*pipeline.Analyser, error) { return pipeline.OpenParts(engine.Load, "") }
	first, lacks := open() // the judge's first one, once it is asked what it makes
	if lacks != nil && len(o.Broken) == 0 {
		tb.Fatal(lacks)
	}
	var id *pipeline.Identifier
	if first.Embeds() {
		if id, err = kiosk.NewIdentifier(engine.Models.List(), first); err != nil {
			tb.Fatal(err)
		}
	}
	dir := tb.TempDir()
	s.dir = dir
	s.DB, err = store.Open(tb.Context(), store.Options{
		Path: filepath.Join(dir, "facegate.db"), KeyFile: filepath.Join(dir, "store.key"), ConsentRequired: !o.NoConsent, Log: log,
	})
	if err != nil {
		tb.Fatal(err)
	}
	if o.Deadline == 0 {
		o.Deadline = time.Minute
	}
	s.Judge = judge.New(judge.Options{
		Open: func() (*pipeline.Analyser, error) {
			if an := first; an != nil {
				first = nil
				return an, lacks
			}
			return open()
		},
		Barred: func(now time.Time) (stages pipeline.Stages) {
			list := engine.Models.List()
			roles, _ := list.Unlicensed(pipeline.Roles(list, ""), tenant, now)
			for _, r := range roles {
				stages |= pipeline.StageOf(r)
			}
			return stages
		},
		Identifier: id, DB: s.DB, Yield: o.Yield, Deadline: o.Deadline, Waiting: o.Waiting, Log: log,
	})
	k := kiosk.New(kiosk.Options{Audit: s.DB, Door: s.Door, Clock: s.Clock, DoorName: access.MainDoor, Unlock: time.Second, Log: log})
	documents := document.Open()
	documents.Limit = 5 * time.Minute
	s.Service = &api.Service{
		DB: s.DB, Judge: s.Judge, Camera: s.Camera, Kiosk: k, Clock: s.Clock, Keys: api.NewKeys(s.DB), Documents: &judge.Documents{Reader: documents, Log: log}, Reading: 5 * time.Minute, Room: api.NewRoom(cmp.Or(o.Bodies, api.Bodies)), Site: "lab", Door: access.MainDoor, Log: log,
	}
	s.Service.Tally = &api.Tally{Service: s.Service}
	s.people = &kiosk.People{DB: s.DB, Kiosk: k, Log: log}
	if id != nil {
		s.people.Galleries = append(s.people.Galleries, id.Gallery)
	}
	server := &api.Server{Listen: "127.0.0.1:0", Mux: http.NewServeMux(), Log: log}
	register(server.Mux, s.Service)
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var tasks sync.WaitGroup
	var errs [3]error
	tasks.Go(func() { errs[0] = s.Judge.Run(ctx) })
	tasks.Go(func() { errs[1] = server.Run(ctx) })
	tasks.Go(func() { errs[2] = s.Service.Tally.Run(ctx) })
	tb.Cleanup(func() {
		stop()
		tasks.Wait()
		if first != nil { // no picture came
			errs[0] = errors.Join(errs[0], first.Close())
		}
		if err := errors.Join(errs[0], errs[1], errs[2], engine.Close(), s.DB.Close()); err != nil {
			tb.Error(err)
		}
	})
	<-server.Ready()
	s.URL = "http://" + server.Addr().String()
	return s
}

// tenant is the one that the server's site is of.
const tenant = "demo"

// home is a home directory with everything installed, but for models that are cut in half and
// licences that have ended.
func home(tb testing.TB, o Options) string {
	tb.Helper()
	installed := sharedtest.Home(tb)
	if len(o.Broken)+len(o.Ended)+len(o.Foreign) == 0 {
		return installed
	}
	home := tb.TempDir()
	if err := os.Symlink(filepath.Join(installed, "runtime"), filepath.Join(home, "runtime")); err != nil {
		tb.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, "models"), 0o755); err != nil {
		tb.Fatal(err)
	}
	entry := func(role string) models.Entry {
		e, ok := models.Manifest().Entry(role)
		if !ok {
			tb.Fatalf("no model plays the role %q", role)
		}
		return e
	}
	cut := make(map[string]bool)
	for _, role := range o.Broken {
		cut[entry(role).File] = true
	}
	var local struct {
		Model []models.Entry `toml:"model"`
	}
	for _, role := range o.Ended {
		e := entry(role)
		e.LicensedUntil = time.Now().AddDate(0, 0, -1).Format(time.DateOnly)
		local.Model = append(local.Model, e)
	}
	for _, role := range o.Foreign {
		e := entry(role)
		e.LicensedTo = []string{"not " + tenant}
		local.Model = append(local.Model, e)
	}
	text, err := toml.Marshal(local)
	if err == nil {
		err = os.WriteFile(filepath.Join(home, "models", "local.toml"), text, 0o644)
	}
	if err != nil {
		tb.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(installed, "models"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		from, to := filepath.Join(installed, "models", f.Name()), filepath.Join(home, "models", f.Name())
		if !cut[f.Name()] {
			err = os.Symlink(from, to)
		} else if b, rerr := os.ReadFile(from); rerr == nil {
			err = os.WriteFile(to, b[:len(b)/2], 0o644)
		} else {
			err = rerr
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return home
}

// act is an act of the test's.
func (s *Server) act() store.Act {
	return store.Act{At: time.Now(), Clock: access.ClockSynced, Source: access.SourceAdmin("test")}
}

// Update changes the store as an administrator does.
func (s *Server) Update(tb testing.TB, fn func(*store.Tx) error) {
	tb.Helper()
	if err := s.DB.Update(tb.Context(), s.act(), fn); err != nil {
		tb.Fatal(err)
	}
}

// Key makes a key and returns it with its secret.
func (s *Server) Key(tb testing.TB, k store.Key) (made store.Key, secret string) {
	tb.Helper()
	s.Update(tb, func(tx *store.Tx) (err error) {
		made, secret, err = tx.AddKey(k)
		return err
	})
	return made, secret
}

// Held does something while another program holds the store, which nobody else can write then.
func (s *Server) Held(tb testing.TB, do func()) {
	tb.Helper()
	db, err := store.Open(tb.Context(), store.Options{
		Path: filepath.Join(s.dir, "facegate.db"), KeyFile: filepath.Join(s.dir, "store.key"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it changed nothing
	if err := db.Update(tb.Context(), s.act(), func(*store.Tx) error { do(); return nil }); err != nil {
		tb.Fatal(err)
	}
}

// Expire ends the time of an owner's records of a kind, as if they had waited for it.
func (s *Server) Expire(tb testing.TB, kind, owner string) {
	tb.Helper()
	s.Update(tb, func(tx *store.Tx) error {
		list, err := tx.Records(kind, owner, 0, 1000)
		if err == nil && len(list) == 0 {
			err = errors.New("there are no such records")
		}
		for _, r := range list {
			r.Expires = tx.Now()
			err = errors.Join(err, tx.PutRecord(r))
		}
		return err
	})
}

// Enrol adds a person who has agreed, with a template of each of the pictures.
func (s *Server) Enrol(tb testing.TB, id string, pictures ...[]byte) {
	tb.Helper()
	s.Update(tb, func(tx *store.Tx) error {
		_, err := tx.AddPerson(access.Person{ID: id, Name: "Person " + id, Consent: &access.Consent{Text: "1", At: tx.Now()}})
		return err
	})
	for _, p := range pictures {
		if _, err := s.Judge.Enrol(tb.Context(), s.act(), id, s.Look(tb, p), false, nil); err != nil {
			tb.Fatal(err)
		}
	}
}

// Reload lets the galleries know who was enrolled and erased by now. The daemon does so by itself
// four times a second.
func (s *Server) Reload(tb testing.TB) {
	tb.Helper()
	if err := s.people.Load(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// Spent takes the tries that have come back since began, when there were all five of a minute: on a
// slow machine five calls take so long that a sixth is let pass. try takes one. It fails the test
// where more are left than can have come back.
func (s *Server) Spent(tb testing.TB, try func(name string, now time.Time) error, name string, began time.Time) {
	tb.Helper()
	left := 0
	for try(name, time.Now()) == nil {
		left++
	}
	if back := int(time.Since(began) / (12 * time.Second)); left > back {
		tb.Errorf("%s has %d tries left, want %d at most", name, left, back)
	}
}

// Run runs a task until the test ends.
func (s *Server) Run(tb testing.TB, t task.Task) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := t.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// Rules brings a site's rules into force, as the file of them says.
func (s *Server) Rules(tb testing.TB, text string) {
	tb.Helper()
	r, err := policyfile.Load(strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	p, err := r.Compile(1)
	if err != nil {
		tb.Fatal(err)
	}
	s.Service.Kiosk.SetPolicy(p)
}

// Look is what the judge sees in a picture, all that can be wanted.
func (s *Server) Look(tb testing.TB, picture []byte) *api.Look {
	tb.Helper()
	l, err := s.Judge.Look(tb.Context(), picture, api.WantLiveness|api.WantQuality|api.WantTemplate)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// Events are the audit trail so far.
func (s *Server) Events(tb testing.TB) []access.Event {
	tb.Helper()
	all, err := s.DB.Events(tb.Context(), 0, 10_000)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// An Answer is what a server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Call calls the server; path begins with a slash. A header of length is that of the body.
func (s *Server) Call(tb testing.TB, method, path string, header map[string]string, body []byte) *Answer {
	tb.Helper()
	a, err := s.Try(tb.Context(), method, path, header, body)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// Try is Call for goroutines and for calls that may not be answered.
func (s *Server) Try(ctx context.Context, method, path string, header map[string]string, body []byte) (*Answer, error) {
	return s.Send(ctx, method, path, header, bytes.NewReader(body), int64(len(body)))
}

// Send is [Server.Try] with a body of a length, -1 for one that is not announced.
func (s *Server) Send(ctx context.Context, method, path string, header map[string]string, body io.Reader, length int64) (*Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = length
	for k, v := range maps.All(header) {
		r.Header.Set(k, v)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return &Answer{resp.StatusCode, resp.Header, text}, err
}

// A Gate holds what the judge looks at until it is opened.
type Gate struct {
	Began <-chan struct{} // receives when the first picture is held
	Yield func(ctx context.Context)
	Open  func() // may be called more than once
}

// NewGate is one that is shut. It is opened when the test ends.
func NewGate(tb testing.TB) *Gate {
	began, free := make(chan struct{}, 1), make(chan struct{})
	g := &Gate{Began: began, Open: sync.OnceFunc(func() { close(free) }), Yield: func(context.Context) {
		select {
		case began <- struct{}{}:
		default:
		}
		<-free
	}}
	tb.Cleanup(g.Open)
	return g
}

// Posting is Try of a POST, whose answer comes later.
func (s *Server) Posting(tb testing.TB, path string, header map[string]string, body []byte, answers chan<- *Answer) {
	go func() {
		a, err := s.Try(context.WithoutCancel(tb.Context()), http.MethodPost, path, header, body)
		if err != nil {
			tb.Error(err)
			a = &Answer{}
		}
		answers <- a
	}()
}

// A Clock is a kiosk's clock that tests set. The zero value is synchronised.
type Clock struct{ unsure atomic.Bool }

// SetUnsure says whether the clock cannot be trusted.
func (c *Clock) SetUnsure(unsure bool) { c.unsure.Store(unsure) }

// Trust is kiosk.Clock's.
func (c *Clock) Trust(time.Time) (access.Clock, time.Time) {
	if c.unsure.Load() {
		return access.ClockUnsure, time.Time{}
	}
	return access.ClockSynced, time.Time{}
}

// A Door counts how often it was unlocked.
type Door struct {
	unlocked atomic.Int64
	locked   atomic.Bool
}

// SetLockedDown says whether the door is locked down.
func (d *Door) SetLockedDown(locked bool) { d.locked.Store(locked) }

// Unlocked is how often.
func (d *Door) Unlocked() int { return int(d.unlocked.Load()) }

// Unlock is kiosk.Door's.
func (d *Door) Unlock(_ context.Context, t time.Duration, _ string) (time.Duration, error) {
	d.unlocked.Add(1)
	return t, nil
}

// LockedDown is kiosk.Door's.
func (d *Door) LockedDown(context.Context) (bool, error) { return d.locked.Load(), nil }

// A Camera is one before which a picture is held. The zero value sees nobody.
type Camera struct{ picture atomic.Pointer[[]byte] }

// See holds a picture before the camera.
func (c *Camera) See(picture []byte) { c.picture.Store(&picture) }

// Capture is api.Camera's.
func (c *Camera) Capture(ctx context.Context) ([]byte, error) {
	if p := c.picture.Load(); p != nil {
		return *p, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// A Log keeps what the server has logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
