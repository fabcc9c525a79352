package kiosk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"facegate/access"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/match"
	"facegate/store"
)

// A RefusedError is a picture that is not enrolled, and why.
type RefusedError struct {
	Quality   face.Quality // what is wrong with the picture; face.OK where it is not the picture
	Resembles string       // the id of the person whose face it already is
}

func (e *RefusedError) Error() string {
	if e.Resembles != "" {
		return fmt.Sprintf("the face is already enrolled as %s", e.Resembles)
	}
	return fmt.Sprintf("the picture is refused: %s", e.Quality)
}

// Hint says what to do about it.
func (e *RefusedError) Hint() string {
	if e.Resembles != "" {
		return "use that person, or --allow-duplicate if these are two people"
	}
	return Advice(e.Quality)
}

// Advice is what a person does about a quality code, in their words.
func Advice(q face.Quality) string {
	switch q {
	case face.OK:
		return ""
	case face.ImageError:
		return "the picture cannot be read: use a JPEG or PNG"
	case face.NoFace:
		return "show your face to the camera"
	case face.SeveralFaces:
		return "one person at a time"
	case face.TooSmall:
		return "come closer"
	case face.TooClose:
		return "step back a little"
	case face.Cropped, face.NearBorder:
		return "move your whole face into the picture"
	case face.Angle:
		return "look at the camera"
	case face.Dark:
		return "more light on the face"
	case face.Bright:
		return "less light on the face"
	case face.Blurred:
		return "hold still; if it stays, clean the lens"
	case face.Occluded:
		return "take off what covers the face"
	case face.EyesClosed:
		return "open your eyes"
	}
	return "try again"
}

// An Enroller turns pictures into templates of people. It belongs to one goroutine.
type Enroller struct {
	DB       *store.DB
	Analyser *pipeline.Analyser
	// Identifier holds the enrolled templates of the Analyser's model; a new face is searched
	// among them first.
	Identifier *pipeline.Identifier
}

// An Enrolment is what Enrol did.
type Enrolment struct {
	Template  string // id
	Quality   face.Quality
	Resembles string // the person whose face it is too, where that was allowed
}

// Enrol stores the face of img as a template of the person. A picture whose quality is not ok,
// and a face that is somebody else's already, are a *RefusedError; allowDuplicate overrides
// the latter, which the audit trail tells. The error wraps access.ErrNotFound where there is
// nobody with the id.
func (e *Enroller) Enrol(ctx context.Context, act store.Act, id string, img *imgproc.Image, allowDuplicate bool) (Enrolment, error) {
	if _, err := e.DB.Person(ctx, id); err != nil {
		return Enrolment{}, err
	}
	a, err := e.Analyser.Picture(img, pipeline.Eyes|pipeline.Mask|pipeline.Parsing|pipeline.Embedding)
	if err != nil {
		return Enrolment{}, err
	}
	if a.Quality == face.OK && a.Embedding == nil {
		return Enrolment{}, errors.New("no template could be made of the face")
	}
	if a.Quality != face.OK {
		return Enrolment{}, &RefusedError{Quality: a.Quality}
	}
	other, err := e.Identifier.Duplicate(a.Embedding, id)
	if err != nil {
		return Enrolment{}, err
	}
	if other != "" && !allowDuplicate {
		return Enrolment{}, &RefusedError{Quality: face.OK, Resembles: other}
	}
	t := store.Template{
		Person: id, Model: e.Analyser.Model(), Vector: a.Embedding, Quality: max(0, min(1, 1-a.Blur)), Source: act.Source, Resembles: other,
	}
	err = e.DB.Update(ctx, act, func(tx *store.Tx) error {
		t, err = tx.AddTemplate(t)
		return err
	})
	if err != nil {
		return Enrolment{}, err
	}
	if err := e.Identifier.Gallery.Add(id, match.Template{Model: t.Model, Vector: a.Embedding}); err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Template: t.ID, Quality: a.Quality, Resembles: other}, nil
}

// Consent records that the person agreed to be enrolled, and who says so.
func (e *Enroller) Consent(ctx context.Context, act store.Act, id, by string) error {
	_, err := e.DB.AppendEvent(ctx, act, access.Event{
		Kind: access.KindConsentGiven, Person: id, Source: act.Source, Data: map[string]string{"by": by, "how": "recorded at enrolment"},
	})
	return err
}

// Now is an Act of this moment by the given source. Whether the clock is synchronised is not
// known to a command, so its records say unsure.
func Now(source string) store.Act { return store.Act{At: time.Now(), Source: source} }

// AddPerson stores a new person.
func AddPerson(ctx context.Context, db *store.DB, act store.Act, p access.Person) error {
	return db.Update(ctx, act, func(tx *store.Tx) error {
		_, err := tx.AddPerson(p)
		return err
	})
}
