package kiosk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/internal/task"
	"facegate/pipeline/match"
	"facegate/store"
	"facegate/store/seal"
)

// People keeps galleries and a kiosk's directory in step with the store, whoever changes it:
// this process, the command line, the fleet.
type People struct {
	DB        *store.DB
	Galleries []*match.Gallery // one a model; without any nobody is recognised, PINs work all the same
	Kiosk     *Kiosk           // may be nil
	Log       *slog.Logger
	Beat      *task.Beat // where set, ticked each time the store was asked

	revision uint64
	loaded   bool
}

// pollEvery is how soon an enrolment by another process can be recognised.
const pollEvery = 250 * time.Millisecond

// Load reads everybody into galleries and directory.
func (p *People) Load(ctx context.Context) error {
	revision, err := p.DB.PeopleRevision(ctx)
	if err != nil {
		return fmt.Errorf("load people: %w", err)
	}
	if p.loaded && revision == p.revision {
		return nil
	}
	fresh := make([]*match.Gallery, len(p.Galleries))
	for i, g := range p.Galleries {
		if fresh[i], err = match.NewGallery(g.Model(), g.Dim()); err != nil {
			return fmt.Errorf("load people: %w", err)
		}
	}
	directory := access.Directory{}
	leftOut := 0
	err = p.DB.View(ctx, func(tx *store.Tx) error {
		// One damaged row must not shut everybody else out: it is left out, and said so.
		for person, err := range tx.People() {
			switch {
			case errors.Is(err, seal.ErrSealed):
				leftOut++
				p.Log.ErrorContext(ctx, "person left out", logkey.Person, person.ID, logkey.Error, err)
			case err != nil:
				return err
			default:
				directory[person.ID] = person
			}
		}
		for _, g := range fresh {
			for t, err := range tx.Templates(g.Model()) {
				if err == nil {
					err = g.Add(t.Person, match.Template{Model: t.Model, Vector: t.Vector, Masked: t.Cover == store.CoverMask})
				} else if !errors.Is(err, seal.ErrSealed) {
					return err
				}
				if err != nil {
					leftOut++
					p.Log.ErrorContext(ctx, "template left out", logkey.Person, t.Person, logkey.Error, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load people: %w", err)
	}
	// The directory first: a person who was erased stops being let in even before their
	// templates stop matching.
	if p.Kiosk != nil {
		p.Kiosk.SetPeople(directory)
	}
	templates := 0
	for i, g := range p.Galleries {
		if err := g.Replace(fresh[i]); err != nil {
			return fmt.Errorf("load people: %w", err)
		}
		n, _ := g.Len()
		templates += n
	}
	p.revision, p.loaded = revision, true
	p.Log.InfoContext(ctx, "people loaded", logkey.People, len(directory), logkey.Templates, templates, logkey.LeftOut, leftOut)
	return nil
}

// String is the task's name.
func (p *People) String() string { return "people" }

// Ready is closed: Load has been called before the first Run.
func (p *People) Ready() <-chan struct{} { return atOnce() }

// Run loads what changes until ctx ends. A store that cannot be read for a moment is tried
// again; the last good state holds meanwhile.
func (p *People) Run(ctx context.Context) error {
	failing := false
	return every(ctx, pollEvery, func() {
		err := p.Load(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			p.Log.ErrorContext(ctx, "people not loaded", logkey.Error, err)
		}
		failing = err != nil
		if p.Beat != nil {
			p.Beat.Tick(time.Now())
		}
	})
}
