package judge_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/kiosk"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
	"facegate/store"
)

func nothing(*http.ServeMux, *api.Service) {}

func act() store.Act {
	return store.Act{At: time.Now(), Clock: access.ClockSynced, Source: access.SourceAPI("test")}
}

// Only what is wanted is looked for, and what quality forbids is not told.
func TestWants(t *testing.T) {
	f, s := apitest.NewFaces(t), apitest.New(t, nothing, apitest.Options{})
	look := func(picture []byte, want api.Want) *api.Look {
		t.Helper()
		l, err := s.Judge.Look(t.Context(), picture, want)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := look(f.A1(), 0)
	if l.Quality != face.OK || l.Live != access.LivenessUnavailable || l.Mask != nil || l.Template.Vector != nil || l.Width != 320 || l.Height != 240 {
		t.Errorf("nothing wanted: %+v", l)
	}
	l = look(f.Masked(), api.WantQuality|api.WantTemplate)
	if l.Mask == nil || *l.Mask < .5 || l.MaskSeen != "full" || l.Occluded == nil || !l.Template.Masked || l.Live != access.LivenessUnavailable {
		t.Errorf("a mask: %+v", l)
	}
	l = look(f.Blur(), api.WantLiveness|api.WantTemplate)
	if l.Live != access.LivenessUnavailable || l.LiveScore != 0 || l.Template.Vector == nil {
		t.Errorf("a blurred face is compared as it is, and not judged: %+v", l)
	}
}

func TestCompare(t *testing.T) {
	f, s := apitest.NewFaces(t), apitest.New(t, nothing, apitest.Options{})
	a1, a2, b1 := s.Look(t, f.A1()).Template, s.Look(t, f.A2()).Template, s.Look(t, f.B1()).Template
	score := func(a, b api.Template) float64 {
		t.Helper()
		x, err := s.Judge.Compare(a, b)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if x := score(a1, a1); x != 1 {
		t.Errorf("a picture and itself: %v", x)
	}
	if x := score(a1, a2); !(x > .9 && x < 1) || x != score(a2, a1) {
		t.Errorf("one person: %v", x)
	}
	if x := score(a1, b1); !(x < .8) {
		t.Errorf("two people: %v", x)
	}
	near := a1
	near.Vector = append([]float32(nil), a1.Vector...)
	near.Vector[0] = math.Nextafter32(near.Vector[0], 2)
	if x := score(a1, near); x >= 1 {
		t.Errorf("what is not the same is as alike as the same: %v", x)
	}
	other := a2
	other.Model = "another@00000000"
	if _, err := s.Judge.Compare(a1, other); !errors.Is(err, match.ErrModel) {
		t.Errorf("two models: %v", err)
	}
	if _, err := s.Judge.Compare(other, other); !errors.Is(err, match.ErrModel) {
		t.Errorf("an unknown model: %v", err)
	}
	zero := a2
	zero.Vector = make([]float32, len(a2.Vector))
	if _, err := s.Judge.Compare(a1, zero); !errors.Is(err, match.ErrVector) {
		t.Errorf("a vector of nothing: %v", err)
	}
}

func TestSearch(t *testing.T) {
	f, s := apitest.NewFaces(t), apitest.New(t, nothing, apitest.Options{})
	s.Enrol(t, "a", f.A1(), f.A3())
	s.Enrol(t, "b", f.B1())
	s.Enrol(t, "c", f.Masked(), f.Bare())
	probe := s.Look(t, f.A2()).Template
	all, err := s.Judge.Search(t.Context(), probe, 50)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i, c := range all {
		seen[c.Person]++
		if i > 0 && c.Score > all[i-1].Score {
			t.Errorf("not the best first: %v", all)
		}
	}
	if d := gocmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1}, seen); d != "" || all[0].Person != "a" || all[0].Score < .9 || all[1].Score > .8 {
		t.Errorf("got %v\n%s", all, d)
	}
	if one, err := s.Judge.Search(t.Context(), probe, 1); err != nil || len(one) != 1 || one[0] != all[0] {
		t.Errorf("the best one: %v, %v", one, err)
	}
	probe.Model = "another@00000000"
	if _, err := s.Judge.Search(t.Context(), probe, 1); !errors.Is(err, match.ErrModel) {
		t.Errorf("another model: %v", err)
	}
}

// Enrolling follows the rules of the command line.
func TestEnrol(t *testing.T) {
	f, s := apitest.NewFaces(t), apitest.New(t, nothing, apitest.Options{})
	s.Enrol(t, "a", f.A1())
	s.Enrol(t, "b")
	refused := func(picture []byte, quality face.Quality, resembles string) {
		t.Helper()
		_, err := s.Judge.Enrol(t.Context(), act(), "b", s.Look(t, picture), false, nil)
		r, ok := errors.AsType[*kiosk.RefusedError](err)
		if !ok || r.Quality != quality || r.Resembles != resembles {
			t.Errorf("got %v, want a refusal for %s %s", err, quality, resembles)
		}
	}
	refused(f.Blur(), face.Blurred, "")
	refused(f.None(), face.NoFace, "")
	refused(f.Junk(), face.ImageError, "")
	refused(f.Many(), face.SeveralFaces, "")
	refused(f.A2(), face.OK, "a")
	if got, err := s.Judge.Enrol(t.Context(), act(), "b", s.Look(t, f.A2()), true, nil); err != nil || got.Person != "b" || got.Resembles != "a" || got.ID == "" {
		t.Errorf("a double that is allowed: %v, %v", got, err)
	}
	s.Update(t, func(tx *store.Tx) error {
		_, err := tx.AddPerson(access.Person{ID: "silent"})
		return err
	})
	if _, err := s.Judge.Enrol(t.Context(), act(), "silent", s.Look(t, f.B1()), false, nil); !errors.Is(err, store.ErrNoConsent) {
		t.Errorf("without consent: %v", err)
	}
	if _, err := s.Judge.Enrol(t.Context(), act(), "nobody", s.Look(t, f.B1()), false, nil); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("without a person: %v", err)
	}
	// What was enrolled is found at once.
	if found, err := s.Judge.Search(t.Context(), s.Look(t, f.A3()).Template, 2); err != nil || len(found) != 2 {
		t.Errorf("got %v, %v", found, err)
	}
}

// A stage that cannot be used is said to have failed; nothing that rests on it is good.
func TestBroken(t *testing.T) {
	f := apitest.NewFaces(t)
	for _, tt := range []struct {
		role    string
		failed  api.Stage
		quality face.Quality
		live    access.Liveness
		compare bool
	}{
		{"detect_short", api.StageDetect, face.ImageError, access.LivenessUnavailable, false},
		{"mesh", api.StageLandmarks, face.ImageError, access.LivenessUnavailable, false},
		{"iris", api.StageEyes, face.ImageError, access.LivenessUnavailable, true},
		{"live_se18", api.StageLiveness, face.OK, access.LivenessUnavailable, true},
		{"mask", api.StageCover, face.ImageError, access.LivenessUnavailable, true},
		{"embed_0095", api.StageEmbed, face.OK, access.Live, false},
	} {
		t.Run(tt.role, func(t *testing.T) {
			s := apitest.New(t, nothing, apitest.Options{Broken: []string{tt.role}})
			l := s.Look(t, f.A1())
			if l.Failed != tt.failed || l.Quality != tt.quality || l.Live != tt.live || (l.Template.Vector != nil) != tt.compare || l.Fault != api.NoFault {
				t.Errorf("got %+v", l)
			}
			s.Enrol(t, "a")
			_, err := s.Judge.Enrol(t.Context(), act(), "a", l, false, nil)
			if good := tt.quality == face.OK && tt.compare; (err == nil) != good {
				t.Errorf("enrolled with a broken model: %v", err)
			}
		})
	}
}

// More pictures than may wait are turned away at once, those that wait too long when their time
// has come, and those whose caller has gone are not looked at.
func TestLine(t *testing.T) {
	f := apitest.NewFaces(t)
	looking, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := apitest.New(t, nothing, apitest.Options{Waiting: 2, Yield: func(context.Context) {
		once.Do(func() { close(looking) })
		<-free
	}})
	ctx, leave := context.WithCancel(t.Context())
	results := make(chan error, 3)
	try := func(ctx context.Context) {
		_, err := s.Judge.Look(ctx, f.A1(), 0)
		results <- err
	}
	busy := func(err error) {
		t.Helper()
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Busy || e.RetryAfter <= 0 {
			t.Errorf("got %v, want that the judge is busy", err)
		}
	}
	go try(t.Context())
	<-looking // the worker holds it; two may wait
	go try(ctx)
	go try(ctx)
	turnedAway := false
	for !turnedAway { // until both have joined the line
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := s.Judge.Look(short, f.A1(), 0)
		turnedAway = short.Err() == nil && err != nil
		cancel()
		busy(err)
	}
	leave()
	busy(<-results)
	busy(<-results)
	close(free)
	if err := <-results; err != nil {
		t.Error(err)
	}
}

// Pictures that come at the same time are judged like one after the other.
func TestAtOnce(t *testing.T) {
	f := apitest.NewFaces(t)
	s := apitest.New(t, nothing, apitest.Options{Waiting: 40})
	want := map[bool]face.Quality{true: face.OK, false: face.NoFace}
	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			picture := f.A1()
			if i%2 != 0 {
				picture = f.None()
			}
			l, err := s.Judge.Look(context.Background(), picture, api.WantTemplate)
			if err != nil || l.Quality != want[i%2 == 0] {
				t.Errorf("got %+v, %v", l, err)
			}
		})
	}
	calls.Wait()
}
