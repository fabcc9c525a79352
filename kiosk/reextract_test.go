package kiosk

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"facegate/access"
	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/match"
	"facegate/store"
)

// People enrolled with one embedder are recognised all the while their templates are made anew
// by another, those without a picture go on with the old one, and no template is ever compared
// across the two.
func TestReextract(t *testing.T) {
	lfw := filepath.Join(sharedtest.Dir(t, "faces"), "lfw")
	load := sharedtest.Loader(t)
	list := models.Manifest()
	was, is := list.Embedders[1].ID, list.Embedders[0].ID
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	act := func() store.Act { return store.Act{At: time.Now(), Clock: access.ClockSynced, Source: "test"} }

	dir := t.TempDir()
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(dir, "db"), KeyFile: filepath.Join(dir, "key"), ConsentRequired: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	open := func(embedder string) *pipeline.Analyser {
		an, err := pipeline.Open(load, embedder)
		if err != nil {
			t.Fatal(err)
		}
		return an
	}

	// Everybody is enrolled with the old embedder; the last one without a picture.
	people := []string{"Aaron_Peirsol", "Abdoulaye_Wade", "Adam_Sandler"}
	old := open(was)
	id, err := NewIdentifier(list, old)
	if err != nil {
		t.Fatal(err)
	}
	look := func(person string, n int) *imgproc.Image {
		data, err := os.ReadFile(filepath.Join(lfw, person, fmt.Sprintf("%s_%04d.jpg", person, n)))
		if err != nil {
			t.Fatal(err)
		}
		img, err := imgproc.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	for i, p := range people {
		err := db.Update(ctx, act(), func(tx *store.Tx) error {
			if _, err := tx.AddPerson(access.Person{ID: p}); err != nil {
				return err
			}
			_, err := tx.GiveConsent(p, access.Consent{Text: "1", At: time.Now(), How: "paper"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		en := &Enroller{DB: db, Analyser: old, Identifier: id, KeepPictures: i < len(people)-1}
		if _, err := en.Enrol(ctx, act(), p, look(p, first(p)), false); err != nil {
			t.Fatalf("enrol %s: %v", p, err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	// The kiosk starts again with the new embedder.
	an := open(is)
	defer an.Close()
	if id, err = NewIdentifier(list, an); err != nil {
		t.Fatal(err)
	}
	enrolled, err := db.Models(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := AddOlder(list, an, id, load, enrolled); err != nil || len(id.Older) != 1 {
		t.Fatalf("older galleries: %d, %v; want 1", len(id.Older), err)
	}
	galleries := []*match.Gallery{id.Gallery, id.Older[0].Gallery}
	reload := func() {
		p := &People{DB: db, Galleries: galleries, Log: log}
		if err := p.Load(ctx); err != nil {
			t.Fatal(err)
		}
	}
	recognised := func(when string) {
		t.Helper()
		reload()
		for _, p := range people {
			a, err := an.Picture(look(p, second(p)), pipeline.Eyes|pipeline.Mask|pipeline.Embedding)
			if err != nil {
				t.Fatal(err)
			}
			s, err := id.Sighting(a)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Matches) == 0 || s.Matches[0].Person != p || s.Matches[0].Score < s.Threshold.Score {
				t.Errorf("%s: %s is not recognised: %+v, threshold %+v", when, p, s.Matches, s.Threshold)
			}
		}
	}
	recognised("before")
	r := &Reextract{DB: db, Clock: &order{}, Open: func() (*pipeline.Analyser, error) { return pipeline.Open(load, is) }, Model: an.Model(), Log: log}
	if err := r.Round(ctx); err != nil {
		t.Fatal(err)
	}
	counts, err := db.Models(ctx)
	if err != nil || counts[an.Model()] != 2 || counts[id.Older[0].Gallery.Model()] != 1 {
		t.Errorf("templates by model: %v, %v; want 2 new and 1 old", counts, err)
	}
	recognised("after")

	// The pictures went to the new templates, and nothing is left to do.
	kept := 0
	err = db.View(ctx, func(tx *store.Tx) error {
		for p, err := range tx.Pictures() {
			if err != nil {
				return err
			}
			if p.Person == people[2] {
				t.Errorf("%v was kept", p)
			}
			kept++
		}
		return nil
	})
	if err != nil || kept != 2 {
		t.Errorf("%d pictures, %v; want 2", kept, err)
	}
	r.Open = func() (*pipeline.Analyser, error) { return nil, context.DeadlineExceeded }
	if err := r.Round(ctx); err != nil {
		t.Errorf("a round with nothing to do: %v", err)
	}
	if _, err := db.VerifyEvents(ctx); err != nil {
		t.Error(err)
	}
}

// first and second are numbers of pictures that the set has of a person.
func first(person string) int  { return pictures()[person][0] }
func second(person string) int { return pictures()[person][1] }

func pictures() map[string][2]int {
	return map[string][2]int{"Aaron_Peirsol": {1, 3}, "Abdoulaye_Wade": {2, 3}, "Adam_Sandler": {1, 2}}
}
