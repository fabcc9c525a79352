package kiosk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"

	"facegate/access"
	"facegate/pipeline"
	"facegate/pipeline/cover"
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
	// KeepPictures seals the picture beside the template, so that a template of a later model can be
	// made of it. It is encoded anew: nothing of a file but its pixels is kept.
	KeepPictures bool
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
	var kept []byte
	if e.KeepPictures && a.Quality == face.OK {
		if kept, err = encode(img); err != nil {
			return Enrolment{}, err
		}
	}
	t, err := e.Keep(ctx, act, id, a, kept, allowDuplicate, nil)
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Template: t.ID, Quality: a.Quality, Resembles: t.Resembles}, nil
}

// Keep is Enrol for a face that was looked into already, with what Enrol looks into; the
// Enroller needs no Analyser for it. picture is sealed beside the template, nil: none is. also,
// where it is not nil, is told the template's id before it is kept for good; its error is returned
// and nothing is kept then.
func (e *Enroller) Keep(ctx context.Context, act store.Act, id string, a *pipeline.Analysis, picture []byte, allowDuplicate bool, also func(tx *store.Tx, template string) error) (store.Template, error) {
	if a.Quality == face.OK && a.Embedding == nil {
		return store.Template{}, errors.New("no template could be made of the face")
	}
	if a.Quality != face.OK {
		return store.Template{}, &RefusedError{Quality: a.Quality}
	}
	other, err := e.Identifier.Duplicate(a, id)
	if err != nil {
		return store.Template{}, err
	}
	if other != "" && !allowDuplicate {
		return store.Template{}, &RefusedError{Quality: face.OK, Resembles: other}
	}
	t := store.Template{
		Person: id, Model: e.Identifier.Gallery.Model(), Vector: a.Embedding, Quality: max(0, min(1, 1-a.Blur)), Source: act.Source, Resembles: other,
	}
	if a.Cover.MaskState == cover.MaskFull || a.Cover.MaskState == cover.MaskNoseOut {
		t.Cover = store.CoverMask
	}
	err = e.DB.Update(ctx, act, func(tx *store.Tx) error {
		if t, err = tx.AddTemplate(t); err == nil && picture != nil {
			err = tx.AddPicture(id, t.ID, picture)
		}
		if err == nil && also != nil {
			err = also(tx, t.ID)
		}
		return err
	})
	if err != nil {
		return store.Template{}, err
	}
	return t, e.Identifier.Gallery.Add(id, match.Template{Model: t.Model, Vector: a.Embedding, Masked: t.Cover == store.CoverMask})
}

// encode is a picture as a JPEG whose artefacts do not change a template to speak of.
func encode(img *imgproc.Image) ([]byte, error) {
	rgba := image.NewRGBA(image.Rect(0, 0, img.W, img.H))
	for i := range img.W * img.H {
		copy(rgba.Pix[4*i:4*i+3], img.Pix[3*i:3*i+3])
		rgba.Pix[4*i+3] = 255
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, rgba, &jpeg.Options{Quality: 95}); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return out.Bytes(), nil
}

// consentText is the version of the text that is agreed to where nobody names one.
const consentText = "1"

// Consent records that the person agreed to be enrolled, and who says so.
func (e *Enroller) Consent(ctx context.Context, act store.Act, id, by string) error {
	return e.DB.Update(ctx, act, func(tx *store.Tx) error {
		_, err := tx.GiveConsent(id, access.Consent{Text: consentText, At: act.At, How: "admin", Witness: by})
		return err
	})
}

// AddPerson stores a new person.
func AddPerson(ctx context.Context, db *store.DB, act store.Act, p access.Person) error {
	return db.Update(ctx, act, func(tx *store.Tx) error {
		_, err := tx.AddPerson(p)
		return err
	})
}
