package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"facegate/access"
)

// A modelled person is what the model thinks the store keeps of one.
type modelled struct {
	consent  bool
	seen     time.Time
	changed  time.Time
	faces    map[string]*face // by template id
	lastPINs string
}

type face struct {
	model    string
	created  time.Time
	pictures []string
}

// Whatever is done in whatever order, the store keeps what a simple model of it keeps: no
// template or picture without consent, none left behind, and an event for every change.
func TestStoreAgainstAModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ctx := context.Background()
		o := options(t.TempDir())
		o.ConsentRequired = true
		db, err := Open(ctx, o)
		if err != nil {
			r.Fatal(err)
		}
		defer db.Close()
		now := noon
		want := make(map[string]*modelled)
		events := 0
		pick := func() string { return rapid.SampledFrom([]string{"p1", "p2", "p3"}).Draw(r, "person") }
		// do runs fn, which must answer with one of the errors where the model says so.
		do := func(what string, fails error, recorded int, fn func(*Tx) error) bool {
			now = now.Add(time.Hour)
			err := db.Update(ctx, Act{At: now, Source: access.SourceSystem, Clock: access.ClockSynced}, fn)
			if !errors.Is(err, fails) || fails == nil && err != nil {
				r.Fatalf("%s: %v, want %v", what, err, fails)
			}
			if err == nil {
				events += recorded
			}
			return err == nil
		}
		// when gives the first error whose condition holds.
		when := func(conditions ...any) error {
			for i := 0; i < len(conditions); i += 2 {
				if conditions[i].(bool) {
					return conditions[i+1].(error)
				}
			}
			return nil
		}
		faces := func(p *modelled) []string {
			if p == nil {
				return nil
			}
			return slices.SortedFunc(maps.Keys(p.faces), func(a, b string) int { return cmp.Compare(a, b) })
		}

		r.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				id := pick()
				p := want[id]
				if do("add", when(p != nil, access.ErrExists), 1, func(tx *Tx) error { _, err := tx.AddPerson(access.Person{ID: id}); return err }) {
					want[id] = &modelled{changed: now, faces: make(map[string]*face)}
				}
			},
			"change": func(*rapid.T) {
				id := pick()
				p := want[id]
				fails := when(p == nil, access.ErrNotFound)
				if do("change", fails, 1, func(tx *Tx) error {
					_, err := tx.ChangePerson(id, "pin", func(x *access.Person) error { x.PIN += "x"; return nil })
					return err
				}) {
					p.changed = now
					p.lastPINs += "x"
				}
			},
			"consent": func(*rapid.T) {
				id := pick()
				p := want[id]
				if do("consent", when(p == nil, access.ErrNotFound), 1, func(tx *Tx) error {
					_, err := tx.GiveConsent(id, access.Consent{Text: "v1"})
					return err
				}) {
					p.consent, p.changed = true, now
				}
			},
			"withdraw": func(*rapid.T) {
				id := pick()
				p := want[id]
				recorded := 1
				if p != nil && len(p.faces) > 0 {
					recorded = 2
				}
				if do("withdraw", when(p == nil, access.ErrNotFound), recorded, func(tx *Tx) error { _, err := tx.WithdrawConsent(id); return err }) {
					p.consent, p.changed = false, now
					clear(p.faces)
				}
			},
			"enrol": func(*rapid.T) {
				id, model := pick(), rapid.SampledFrom([]string{"m1", "m2"}).Draw(r, "model")
				p := want[id]
				have := 0
				for _, f := range faces(p) {
					if p.faces[f].model == model {
						have++
					}
				}
				fails := when(p == nil, access.ErrNotFound, p != nil && !p.consent, ErrNoConsent, have >= 8, access.ErrTooMany)
				var x Template
				if do("enrol", fails, 1, func(tx *Tx) (err error) {
					x, err = tx.AddTemplate(Template{Person: id, Model: model, Vector: []float32{1}})
					return err
				}) {
					p.faces[x.ID] = &face{model: model, created: now}
				}
			},
			"picture": func(*rapid.T) {
				id := pick()
				p := want[id]
				template := "none"
				if len(faces(p)) > 0 {
					template = rapid.SampledFrom(faces(p)).Draw(r, "template")
				}
				fails := when(template == "none", access.ErrNotFound, template != "none" && len(p.faces[template].pictures) >= maxPictures, access.ErrTooMany)
				content := fmt.Sprint("picture ", now.Unix())
				if do("picture", fails, 0, func(tx *Tx) error { return tx.AddPicture(id, template, jpeg(content)) }) {
					p.faces[template].pictures = append(p.faces[template].pictures, id+" "+content)
				}
			},
			"renew": func(*rapid.T) {
				id := pick()
				p := want[id]
				if len(faces(p)) == 0 {
					return
				}
				old := rapid.SampledFrom(faces(p)).Draw(r, "template")
				x := Template{Model: "m3", Vector: []float32{1}}
				have := 0
				for _, f := range p.faces {
					if f.model == "m3" {
						have++
					}
				}
				if do("renew", when(have >= 8, access.ErrTooMany), 2, func(tx *Tx) (err error) { x, err = tx.RenewTemplate(old, x); return err }) {
					p.faces[x.ID] = &face{"m3", p.faces[old].created, p.faces[old].pictures}
					delete(p.faces, old)
				}
			},
			"remove": func(*rapid.T) {
				id := pick()
				p := want[id]
				recorded := 0
				if p != nil && len(p.faces) > 0 {
					recorded = 1
				}
				if do("remove", when(p == nil, access.ErrNotFound), recorded, func(tx *Tx) error { _, err := tx.RemoveTemplates(id); return err }) {
					clear(p.faces)
				}
			},
			"pass": func(*rapid.T) {
				id, with := pick(), pick()
				do("pass", nil, 1, func(tx *Tx) error {
					_, err := tx.Append(access.Event{Kind: access.KindGranted, Person: id, Data: map[string]string{"with": with}})
					return err
				})
				for _, x := range []string{id, with} {
					if want[x] != nil {
						want[x].seen = now
					}
				}
			},
			"erase": func(*rapid.T) {
				id := pick()
				if want[id] == nil {
					return
				}
				templates, pictures := len(want[id].faces), 0
				for _, f := range want[id].faces {
					pictures += len(f.pictures)
				}
				receipt, err := db.ErasePerson(ctx, Act{At: now, Source: "x"}, id)
				if err != nil || receipt.Templates != templates || receipt.Pictures != pictures {
					r.Fatalf("receipt %+v, %v, want %d templates and %d pictures", receipt, err, templates, pictures)
				}
				events++
				delete(want, id)
			},
			"expire": func(*rapid.T) {
				before := now.Add(-time.Duration(rapid.IntRange(0, 30).Draw(r, "hours")) * time.Hour)
				var due []string
				for id, p := range want {
					last := p.changed
					for _, f := range p.faces {
						last = latest(last, f.created)
					}
					if last = latest(last, p.seen); len(p.faces) > 0 && last.Before(before) {
						due = append(due, id)
						clear(p.faces)
					}
				}
				gone, err := db.Expire(ctx, Act{At: now, Source: "x", Clock: access.ClockSynced}, before)
				slices.Sort(due)
				slices.Sort(gone)
				if diff := gocmp.Diff(due, gone); diff != "" || err != nil {
					r.Fatalf("expired: %v (-want +got)\n%s", err, diff)
				}
				events += len(due)
			},
			"sign": func(*rapid.T) {
				before, err := db.LastEvent(ctx)
				if err != nil {
					r.Fatal(err)
				}
				h, err := db.SignHead(ctx, Act{At: now, Source: "x"})
				if err != nil {
					r.Fatal(err)
				}
				events += int(h.Seq - before) // the event of the key, the first time
			},
			"": func(*rapid.T) {
				v, err := db.VerifyEvents(ctx)
				if err != nil || v.Events != uint64(events) {
					r.Fatalf("%+v, %v, want %d events", v, err, events)
				}
				if diff := gocmp.Diff(described(want), describe(ctx, r, db)); diff != "" {
					r.Fatalf("kept (-want +got)\n%s", diff)
				}
			},
		})
	})
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// described is a line for everything that the model keeps.
func described(want map[string]*modelled) (lines []string) {
	for id, p := range want {
		lines = append(lines, fmt.Sprint(id, " ", p.consent, " ", p.lastPINs, " ", p.seen.Unix(), " ", p.changed.Unix()))
		for x, f := range p.faces {
			lines = append(lines, fmt.Sprint(id, " ", x, " ", f.model, " ", f.created.Unix()))
			for _, c := range f.pictures {
				lines = append(lines, x+" "+c)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// describe is a line for everything that the store keeps.
func describe(ctx context.Context, r *rapid.T, db *DB) (lines []string) {
	err := db.View(ctx, func(tx *Tx) error {
		for p, err := range tx.People() {
			if err != nil {
				return err
			}
			seen, err := tx.LastSeen(p.ID)
			if err != nil {
				return err
			}
			lines = append(lines, fmt.Sprint(p.ID, " ", p.Consent != nil, " ", p.PIN, " ", seen.Unix(), " ", p.Changed.Unix()))
			for x, err := range tx.TemplatesOf(p.ID) {
				if err != nil {
					return err
				}
				lines = append(lines, fmt.Sprint(p.ID, " ", x.ID, " ", x.Model, " ", x.Created.Unix()))
			}
		}
		for p, err := range tx.Pictures() {
			if err != nil {
				return err
			}
			lines = append(lines, strings.Join([]string{p.Template, p.Person, string(p.JPEG[4:])}, " "))
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}
