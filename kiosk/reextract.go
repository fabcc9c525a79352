package kiosk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/store"
	"facegate/store/seal"
)

// Reextract makes templates of the present model from enrolment pictures that people agreed to
// be kept, in place of templates of another model. It is a task that works beside the camera,
// half of the time at most, one template a transaction: whenever it is stopped, every template
// is an old or a new one. Templates without a picture stay as they are; the matcher serves them
// with their own model.
type Reextract struct {
	DB    *store.DB
	Clock Clock
	// Open gives an Analyser of the present model for this task alone; it is closed after each
	// round. Without old templates none is opened.
	Open  func() (*pipeline.Analyser, error)
	Model string // the present model's id
	Log   *slog.Logger

	seen uint64 // revision of the people at the last round's end
}

// String is the task's name.
func (r *Reextract) String() string { return "re-extraction" }

// Ready is closed at once.
func (r *Reextract) Ready() <-chan struct{} { return atOnce() }

// Run looks for old templates, at once and whenever people have changed, until ctx ends.
func (r *Reextract) Run(ctx context.Context) error {
	failing := false
	look := func() {
		err := r.Round(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "templates not made anew", logkey.Error, err)
		}
		failing = err != nil
	}
	look()
	return every(ctx, lookEvery, look)
}

// Round goes once through all templates of other models.
func (r *Reextract) Round(ctx context.Context) error {
	revision, err := r.DB.PeopleRevision(ctx)
	if err != nil || revision == r.seen {
		return err
	}
	old, err := r.old(ctx)
	if err != nil {
		return err
	}
	made, left := 0, 0
	if len(old) > 0 {
		if made, left, err = r.renew(ctx, old); err != nil {
			return err
		}
		r.Log.InfoContext(ctx, "templates made anew", logkey.Model, r.Model, logkey.Templates, made, logkey.LeftOut, left)
	}
	r.seen, err = r.DB.PeopleRevision(ctx)
	return err
}

// old are the templates of other models that have a picture, without their vectors.
func (r *Reextract) old(ctx context.Context) (list []store.Template, err error) {
	models, err := r.DB.Models(ctx)
	if err != nil {
		return nil, err
	}
	err = r.DB.View(ctx, func(tx *store.Tx) error {
		for model := range models {
			if model == r.Model {
				continue
			}
			for t, err := range tx.Templates(model) {
				if err != nil && !errors.Is(err, seal.ErrSealed) {
					return err
				}
				t.Vector = nil
				list = append(list, t)
			}
		}
		return nil
	})
	return list, err
}

func (r *Reextract) renew(ctx context.Context, old []store.Template) (made, left int, err error) {
	var an *pipeline.Analyser
	defer func() {
		if an != nil {
			err = errors.Join(err, an.Close())
		}
	}()
	for _, t := range old {
		jpeg, err := r.picture(ctx, t)
		if err != nil {
			return made, left, err
		}
		if jpeg == nil {
			left++
			continue
		}
		if an == nil {
			if an, err = r.Open(); err != nil {
				return made, left, err
			}
			if an.Model() != r.Model {
				return made, left, fmt.Errorf("templates are wanted of model %s and would be of %s", r.Model, an.Model())
			}
		}
		began := time.Now()
		ok, err := r.one(ctx, an, t, jpeg)
		if err != nil {
			return made, left, err
		}
		if ok {
			made++
		} else {
			left++
		}
		select { // the camera's models have the machine for as long
		case <-ctx.Done():
			return made, left, ctx.Err()
		case <-time.After(time.Since(began)):
		}
	}
	return made, left, nil
}

// picture is what a template was made from, or nil where it was not kept.
func (r *Reextract) picture(ctx context.Context, t store.Template) (jpeg []byte, err error) {
	err = r.DB.View(ctx, func(tx *store.Tx) error {
		for p, err := range tx.PicturesOf(t.Person) {
			switch {
			case errors.Is(err, seal.ErrSealed):
			case err != nil:
				return err
			case p.Template == t.ID:
				jpeg = p.JPEG
				return nil
			}
		}
		return nil
	})
	return jpeg, err
}

// one makes a template anew. It reports false where the picture does not give one, which is
// logged, or the template is gone meanwhile.
func (r *Reextract) one(ctx context.Context, an *pipeline.Analyser, t store.Template, jpeg []byte) (bool, error) {
	img, err := imgproc.Decode(jpeg)
	if err != nil {
		r.Log.WarnContext(ctx, "picture gives no template", logkey.Person, t.Person, logkey.Error, err)
		return false, nil
	}
	a, err := an.Picture(img, pipeline.Eyes|pipeline.Embedding)
	if err != nil {
		return false, err
	}
	if a.Quality != face.OK || a.Embedding == nil {
		r.Log.WarnContext(ctx, "picture gives no template", logkey.Person, t.Person, logkey.Reason, string(a.Quality))
		return false, nil
	}
	state, _ := r.Clock.Trust(time.Now())
	act := store.Act{At: time.Now(), Clock: state, Source: access.SourceSystem}
	err = r.DB.Update(ctx, act, func(tx *store.Tx) error {
		_, err := tx.RenewTemplate(t.ID, store.Template{Model: r.Model, Vector: a.Embedding, Quality: t.Quality, Cover: t.Cover, Source: t.Source})
		return err
	})
	if errors.Is(err, access.ErrNotFound) || errors.Is(err, access.ErrTooMany) || errors.Is(err, store.ErrNoConsent) {
		r.Log.WarnContext(ctx, "template not made anew", logkey.Person, t.Person, logkey.Error, err)
		return false, nil
	}
	return err == nil, err
}
