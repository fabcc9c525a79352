package kiosk

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facegate/access"
	"facegate/door"
	"facegate/pipeline/match"
	"facegate/store"
)

// An order is an audit trail and a door that remember what was asked of them, in order, and
// can be told to fail.
type order struct {
	steps           []string
	events          []access.Event
	auditErr, relay error
	stall           time.Duration // how long the audit trail takes
	lockedDown      bool
	away            error // why the door cannot be asked
}

func (o *order) AppendEvent(_ context.Context, act store.Act, e access.Event) (access.Event, error) {
	o.steps = append(o.steps, string(e.Kind))
	time.Sleep(o.stall)
	if o.auditErr != nil {
		return access.Event{}, o.auditErr
	}
	e.Seq, e.Time = uint64(len(o.events)+1), act.At
	o.events = append(o.events, e)
	return e, nil
}

func (o *order) Unlock(context.Context, time.Duration, string) (time.Duration, error) {
	o.steps = append(o.steps, "unlock")
	return time.Second, o.relay
}

func (o *order) LockedDown(context.Context) (bool, error) { return o.lockedDown, o.away }

// Trust makes an order a clock that can be trusted.
func (o *order) Trust(now time.Time) (access.Clock, time.Time) { return access.ClockSynced, now }

// seen is a sighting that grants where ada is enrolled.
func seen(at time.Time) access.Sighting {
	return access.Sighting{
		At: at, Quality: "ok", Liveness: access.Live, Level: "depth", Score: .9,
		Matches:   []access.Match{{Person: "ada", Score: 96, Cosine: .7}},
		Threshold: access.Threshold{Score: 80, Margin: .1},
	}
}

func TestSettle(t *testing.T) {
	spoof := seen(time.Now())
	spoof.Liveness, spoof.Matches = access.Spoof, nil
	sick, jammed := errors.New("disk full"), errors.New("relay does not answer")
	tests := []struct {
		name       string
		sighting   access.Sighting
		audit      error
		relay      error
		bestEffort bool
		steps      string
		outcome    access.Outcome
		reason     access.Reason
		err        error
	}{
		{"a grant is recorded, then unlocks", seen(time.Now()), nil, nil, false, "access.granted unlock", access.Grant, "", nil},
		{"a denial is recorded and unlocks nothing", spoof, nil, nil, false, "access.denied", access.Deny, access.ReasonSpoof, nil},
		{"what cannot be recorded stays shut", seen(time.Now()), sick, nil, false, "access.granted", access.Deny, access.ReasonAuditUnavailable, sick},
		{"unless the site says otherwise", seen(time.Now()), sick, nil, true, "access.granted unlock", access.Grant, "", sick},
		{"a door that does not open is recorded", seen(time.Now()), nil, jammed, false, "access.granted unlock command.refused", access.Grant, "", jammed},
		{"a zero sighting", access.Sighting{}, nil, nil, false, "face.refused", access.Deny, access.ReasonImageError, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &order{auditErr: tt.audit, relay: tt.relay}
			k := New(Options{Audit: o, Door: o, Clock: o, DoorName: access.MainDoor, Unlock: time.Second, BestEffort: tt.bestEffort, Log: slog.New(slog.DiscardHandler)})
			k.SetPeople(access.NewDirectory([]access.Person{{ID: "ada", Name: "Ada"}}))
			d, err := k.Settle(t.Context(), tt.sighting)
			if got := strings.Join(o.steps, " "); got != tt.steps {
				t.Errorf("got steps %q, want %q", got, tt.steps)
			}
			if d.Outcome != tt.outcome || d.Reason != tt.reason {
				t.Errorf("got %v, reason %q; want %v, %q", d.Outcome, d.Reason, tt.outcome, tt.reason)
			}
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
		})
	}
}

// A disk that stalls delays the record, and the door opens only as long as the person granted
// is likely to stand there still.
func TestSettleLate(t *testing.T) {
	for stall, want := range map[time.Duration]string{
		2 * time.Second: "access.granted unlock",
		4 * time.Second: "access.granted command.refused",
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &order{stall: stall}
			k := New(Options{Audit: o, Door: o, Clock: o, DoorName: access.MainDoor, Log: slog.New(slog.DiscardHandler)})
			k.SetPeople(access.NewDirectory([]access.Person{{ID: "ada", Name: "Ada"}}))
			_, err := k.Settle(t.Context(), seen(time.Now()))
			if got := strings.Join(o.steps, " "); got != want {
				t.Errorf("stalled for %v: got steps %q, want %q", stall, got, want)
			}
			if late := stall > maxAge; errors.Is(err, ErrLate) != late {
				t.Errorf("stalled for %v: got error %v", stall, err)
			}
		})
	}
}

func TestSettleNobodyIsKnownBeforePeopleAreLoaded(t *testing.T) {
	o := &order{}
	k := New(Options{Audit: o, Door: o, Clock: o, DoorName: access.MainDoor, Log: slog.New(slog.DiscardHandler)})
	if d, err := k.Settle(t.Context(), seen(time.Now())); err != nil || d.Outcome != access.Deny || d.Reason != access.ReasonUnknownPerson {
		t.Errorf("got %v %q, %v; want deny unknown_person", d.Outcome, d.Reason, err)
	}
}

func open(t *testing.T) *store.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "db"), KeyFile: filepath.Join(dir, "key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func unit(dim, axis int) []float32 {
	v := make([]float32, dim)
	v[axis] = 1
	return v
}

// People follows the store: who is added can be found, who is erased cannot, and templates of
// another model are never in the gallery.
func TestPeopleFollowTheStore(t *testing.T) {
	db := open(t)
	g, err := match.NewGallery("m1", 4)
	if err != nil {
		t.Fatal(err)
	}
	k := New(Options{Log: slog.New(slog.DiscardHandler)})
	p := People{DB: db, Galleries: []*match.Gallery{g}, Kiosk: k, Log: slog.New(slog.DiscardHandler)}
	load := func(templates, people int) {
		t.Helper()
		if err := p.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if gt, gp := g.Len(); gt != templates || gp != people {
			t.Errorf("got %d templates of %d people, want %d of %d", gt, gp, templates, people)
		}
	}
	load(0, 0)
	for _, id := range []string{"ada", "bob"} {
		if err := AddPerson(t.Context(), db, Now("test"), access.Person{ID: id, Name: id}); err != nil {
			t.Fatal(err)
		}
	}
	add := func(person, model string, axis int) {
		t.Helper()
		err := db.Update(t.Context(), Now("test"), func(tx *store.Tx) error {
			_, err := tx.AddTemplate(store.Template{Person: person, Model: model, Vector: unit(4, axis)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add("ada", "m1", 0)
	add("ada", "m1", 1)
	add("bob", "m1", 2)
	add("bob", "m2", 3)
	load(3, 2)
	if _, err := db.ErasePerson(t.Context(), Now("test"), "ada"); err != nil {
		t.Fatal(err)
	}
	load(1, 1)
	if _, ok := k.directory.Load().Person("ada"); ok {
		t.Error("an erased person is still known")
	}
}

func TestDoorEvents(t *testing.T) {
	db := open(t)
	c := NewDoorEvents(db, "", access.MainDoor, slog.New(slog.DiscardHandler))
	at, err := c.After(t.Context())
	if err != nil || at.Journal != "" || at.Seq != 0 {
		t.Fatalf("got cursor %v, %v; want none", at, err)
	}
	at.Journal, at.Seq = "j1", 2
	now := time.Now()
	events := []door.Event{
		{Seq: 1, Time: now, Kind: door.Rex, Who: door.WhoRex},
		{Seq: 2, Time: now, Kind: "door.dances", Why: "a\x00b" + strings.Repeat("ü", 300)},
	}
	if err := c.Commit(t.Context(), at, events); err != nil {
		t.Fatal(err)
	}
	if again, err := c.After(t.Context()); err != nil || again != at {
		t.Errorf("got cursor %v, %v; want %v", again, err, at)
	}
	got, err := db.Events(t.Context(), 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Kind != access.KindDoorREX || got[0].Source != access.SourceREX {
		t.Fatalf("got %+v, want the exit button first of two", got)
	}
	if got[1].Kind != access.KindCommandDone || got[1].Data["kind"] != "door.dances" || len(got[1].Data["why"]) > 256 {
		t.Errorf("an event of an unknown kind became %+v", got[1])
	}
}
