package baf

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/document"
	"facegate/internal/logkey"
	"facegate/kiosk"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
	"facegate/store"
	"facegate/store/seal"
)

// The statuses of a validation.
const (
	statusSuccess = iota
	statusFail
	statusInvalidData
	statusError
)

// A validationRequest is what is validated. Of a picture nil is none, and empty is empty.
type validationRequest struct {
	Model struct {
		FaceImage    *api.Long `json:"faceImageBase64"`
		FrontImage   *api.Long `json:"frontImageBase64"`
		DocumentType int       `json:"documentType"`
	} `json:"model"`
	ApplicantID string `json:"applicantId"`
	EndeavorID  string `json:"endeavorId"`
}

// A validation is what came of a call. Nil is what was not evaluated.
type validation struct {
	ApplicantID   string    `json:"applicantId"`
	AttemptID     int       `json:"attemptId"`
	DocumentType  int       `json:"documentType"`
	Document      *texts    `json:"document"`
	AttemptsCount int       `json:"attemptsCount"`
	AttemptsLeft  int       `json:"attemptsLeft"`
	Status        int       `json:"status"`
	Valid         validated `json:"validationStatus"`

	InvalidDataErrors     []string       `json:"invalidDataErrors"`
	FaceSuccess           *bool          `json:"faceSuccess"`
	DocumentSuccess       *bool          `json:"documentSuccess"`
	DocumentHasNotExpired *bool          `json:"documentHasNotExpired"`
	DocumentTests         []documentTest `json:"documentValidationTests"`
	CallBackURL           *string        `json:"callBackUrl"`
}

type validated struct {
	Expired      *bool `json:"expired"`
	Document     *bool `json:"documentIsValid"`
	Face         *bool `json:"faceIsValid"`
	AntiSpoofing *bool `json:"antiSpoofingIsValid"`
	Quality      *bool `json:"qualityIsValid"`
}

// validate registers an open applicant and authorises a verified one.
func (c *call) validate(r *http.Request) (any, error) {
	ctx := r.Context()
	var in validationRequest
	leave, err := c.body(r, &in)
	defer leave()
	if err != nil {
		return nil, err
	}
	var a applicant
	if err := c.DB.View(ctx, func(tx *store.Tx) error {
		a, _, err = c.applicant(tx, in.ApplicantID)
		return err
	}); err != nil {
		return nil, err
	}
	c.person = in.ApplicantID
	if err := c.admit(ctx, &in, &a); err != nil {
		return nil, err
	}
	v := &validation{
		ApplicantID: in.ApplicantID, AttemptID: a.Used, DocumentType: in.Model.DocumentType, AttemptsCount: c.settings.Attempts,
		InvalidDataErrors: []string{}, DocumentTests: []documentTest{}, CallBackURL: a.CallbackURL,
	}
	if a.state() == stateVerified {
		err = c.authorise(ctx, &in, v)
	} else {
		err = c.register(ctx, &in, v)
	}
	if err != nil {
		return nil, err
	}
	c.result = [...]string{"success", "fail", "invalid data", "error"}[v.Status]
	return v, nil
}

// admit returns the error of a call that comes to nothing whatever its pictures show.
func (c *call) admit(ctx context.Context, in *validationRequest, a *applicant) error {
	kind := in.Model.DocumentType
	switch {
	case a.state() == stateCancelled:
		return requestClosed()
	case kind != kindCard && kind != kindPassport && kind != kindFace,
		kind == kindFace && !c.settings.SaveFaceProfile:
		return unsupported()
	case c.settings.LRS && !slices.Contains(c.settings.Endeavors, in.EndeavorID):
		return invalidEndeavor()
	case a.state() == stateFailed, a.state() == stateOpen && a.Used >= c.settings.Attempts:
		return exhausted(in.ApplicantID)
	case a.state() == stateVerified && kind != kindFace:
		return completed(in.ApplicantID)
	case a.state() == stateOpen && !c.key.Allows(store.ScopeEnrol):
		return &api.Error{Code: api.NoScope}
	}
	if person, err := c.DB.Person(ctx, in.ApplicantID); err != nil {
		return err
	} else if c.Barred(person) {
		return requestClosed()
	}
	if a.state() == stateVerified {
		if a.Profile == "" {
			return noVerifiedFace()
		}
		enrolled, err := c.enrolled(ctx, in.ApplicantID)
		if err != nil {
			return err
		}
		if !enrolled {
			return profileNotFound()
		}
	}
	switch image := in.Model.FaceImage; {
	case image == nil:
		return imageRequired()
	case *image == "":
		return imageEmpty()
	}
	return nil
}

// enrolled reports whether a person has a face to be found by.
func (c *call) enrolled(ctx context.Context, person string) (has bool, err error) {
	err = c.DB.View(ctx, func(tx *store.Tx) error {
		for _, err := range tx.TemplatesOf(person) {
			if err != nil && !errors.Is(err, seal.ErrSealed) {
				return err
			}
			has = has || err == nil
		}
		return nil
	})
	return has, err
}

// face looks at the face of a call. It returns nil without an error where v says what is wrong
// with it.
func (c *call) face(ctx context.Context, in *validationRequest, v *validation) (*api.Look, error) {
	picture, err := c.object.Base64(*in.Model.FaceImage, api.MaxBody)
	if err == nil && len(picture) == 0 {
		return nil, imageEmpty()
	}
	if err := c.Keys.Try(in.ApplicantID, time.Now()); err != nil {
		return nil, err
	}
	if err != nil {
		v.invalid("faceImageBase64 is not base64")
		v.FaceSuccess = new(false)
		return nil, nil //nolint:nilerr // v says so
	}
	l, err := c.Judge.Look(ctx, picture, api.WantLiveness|api.WantTemplate|api.WantQuality)
	if err != nil {
		return nil, err
	}
	const quality = api.StageDetect | api.StageLandmarks | api.StageEyes | api.StageCover
	switch {
	case l.Fault != api.NoFault:
		v.invalid("faceImageBase64 is no picture that can be used")
		v.FaceSuccess = new(false)
		return nil, nil
	case l.Failed&quality != 0:
		return nil, qualityFailed()
	case l.Quality == face.NoFace:
		return nil, noFaces()
	case l.Quality == face.SeveralFaces:
		return nil, multipleFaces()
	case l.Quality != face.OK, l.Turned():
		v.Status, v.Valid.Quality, v.FaceSuccess = statusFail, new(false), new(false)
		return nil, nil
	case l.Failed&api.StageLiveness != 0, l.Live == access.LivenessUnavailable:
		return nil, livenessFailed()
	}
	v.Valid.Quality, v.Valid.AntiSpoofing = new(true), new(l.Live == access.Live)
	c.scores.Liveness = &l.LiveScore
	switch {
	case l.Live != access.Live:
		v.Status, v.FaceSuccess = statusFail, new(false)
		return nil, nil
	case l.Failed&api.StageEmbed != 0:
		return nil, searchMissing()
	case l.Template.Model == "":
		return nil, qualityFailed()
	}
	return l, nil
}

// invalid says that what was sent could not be used.
func (v *validation) invalid(why string) {
	v.Status = statusInvalidData
	v.InvalidDataErrors = append(v.InvalidDataErrors, why)
}

// found is whom a face is like enough to, but for one person, at most so many.
func (c *call) found(ctx context.Context, l *api.Look, but string) ([]api.Candidate, error) {
	list, err := c.Judge.Search(ctx, l.Template, c.settings.MaxFaces+1)
	if errors.Is(err, match.ErrModel) {
		return nil, searchMissing()
	}
	list = slices.DeleteFunc(list, func(p api.Candidate) bool { return p.Person == but || p.Score*100 < c.settings.Threshold })
	return list[:min(len(list), c.settings.MaxFaces)], err
}

// authorise succeeds if the applicant is among those that the face is like.
func (c *call) authorise(ctx context.Context, in *validationRequest, v *validation) error {
	l, err := c.face(ctx, in, v)
	if l == nil {
		return err
	}
	list, err := c.found(ctx, l, "")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(p api.Candidate) bool { return p.Person == in.ApplicantID })
	v.judge(i >= 0)
	if i >= 0 {
		c.scores.Match = new(100 * list[i].Score)
		c.Unlock(ctx, c.key, in.ApplicantID, l, c.began)
	}
	return nil
}

// judge says whether the face is the one that it must be, and ends the validation if it is not.
func (v *validation) judge(ok bool) {
	v.Valid.Face, v.FaceSuccess = &ok, &ok
	if !ok {
		v.Status = statusFail
	}
}

// register keeps the applicant's face if all checks succeed, and counts the attempt else.
func (c *call) register(ctx context.Context, in *validationRequest, v *validation) error {
	l, err := c.face(ctx, in, v)
	if err != nil {
		return err
	}
	if in.Model.DocumentType != kindFace && v.Status == statusSuccess {
		if err := c.document(ctx, in, l, v); err != nil {
			return err
		}
	}
	if v.Status == statusSuccess {
		if err := c.enrol(ctx, in.ApplicantID, l, v); err != nil {
			return err
		}
	}
	if v.Status == statusSuccess {
		return nil
	}
	failed := false
	err = c.DB.Update(ctx, c.Act(c.key), func(tx *store.Tx) error {
		failed, err = c.attempt(tx, in.ApplicantID, "", v)
		return err
	})
	if err == nil && failed {
		return exhausted(in.ApplicantID) // by this very attempt
	}
	return err
}

// enrol searches a face among those of others, and keeps it if it is none of theirs. The attempt is
// counted together with that; v says so where it failed.
func (c *call) enrol(ctx context.Context, applicant string, l *api.Look, v *validation) error {
	others, err := c.found(ctx, l, applicant)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		v.judge(false)
		return nil
	}
	act := c.Act(c.key)
	if c.key.Consent != "" {
		if err := c.DB.Update(ctx, act, func(tx *store.Tx) error {
			_, err := tx.GiveConsent(applicant, access.Consent{Text: c.key.Consent, How: "api"})
			return err
		}); err != nil {
			return err
		}
	}
	_, err = c.Judge.Enrol(ctx, act, applicant, l, false, func(tx *store.Tx, template string) error {
		_, err := c.attempt(tx, applicant, template, v)
		return err
	})
	if refused, ok := errors.AsType[*kiosk.RefusedError](err); ok && refused.Resembles != "" {
		v.judge(false) // the kiosk's own rule is stricter than the project's
		return nil
	}
	if err == nil {
		v.judge(true)
	}
	return err
}

// attempt counts an attempt of an applicant, which gave a profile or failed, and reports whether it
// was the last. An applicant who was dealt with by another call meanwhile is an error.
func (c *call) attempt(tx *store.Tx, id, profile string, v *validation) (failed bool, err error) {
	a, rec, err := c.applicant(tx, id)
	if err != nil {
		return false, err
	}
	switch a.state() {
	case stateVerified:
		return false, completed(id)
	case stateFailed:
		return false, exhausted(id)
	case stateCancelled:
		return false, requestClosed()
	}
	a.count(v, profile, c.settings)
	return a.state() == stateFailed, keep(tx, rec, a)
}

// count counts an attempt at registration and says in v which it was. One whose status is error
// was not the applicant's fault and does not count.
func (a *applicant) count(v *validation, profile string, x Settings) {
	v.AttemptID = a.Used + 1
	switch {
	case profile != "":
		a.Used++
		a.Status, a.Profile = new(stateVerified), profile
	case v.Status != statusError:
		a.Used++
		if a.Used >= x.Attempts && a.state() == stateOpen {
			a.Status = new(stateFailed)
		}
	}
	v.AttemptsLeft = a.attemptsLeft(x)
}

// document reads the document of a registration and compares its portrait with the face.
func (c *call) document(ctx context.Context, in *validationRequest, l *api.Look, v *validation) error {
	picture, err := c.front(in)
	if err != nil {
		v.invalid(err.Error())
		return nil //nolint:nilerr // v says so
	}
	portrait, err := c.Judge.Look(ctx, picture, api.WantTemplate)
	if err != nil {
		return err
	}
	if portrait.Fault != api.NoFault {
		v.invalid("frontImageBase64 is no picture that can be used")
		return nil
	}
	d, err := c.ReadDocument(ctx, picture)
	busy, ok := errors.AsType[*api.Error](err)
	switch {
	case errors.Is(err, document.ErrNotRecognized):
		v.invalid("the document is not recognized")
		return nil
	case ok:
		return busy
	case err != nil:
		c.Log.ErrorContext(ctx, "document not read", logkey.Error, err)
		v.Status = statusError
		return nil
	}
	now := c.Now()
	v.DocumentType, v.Document, v.Valid.Document = kindOf(&d), textsOf(&d, now), &d.Valid
	same, err := c.same(l, portrait)
	if err != nil {
		return err
	}
	v.DocumentTests = documentTests(&d, same)
	v.judge(same != nil && *same)
	v.DocumentSuccess = &d.Valid
	if !d.Valid {
		v.Status = statusFail
		return nil
	}
	clock, _ := c.Clock.Trust(now)
	expired := d.Expired(now, clock)
	switch {
	case expired != nil:
		v.Valid.Expired, v.DocumentHasNotExpired, v.DocumentSuccess = expired, new(!*expired), new(!*expired)
		if *expired {
			v.Status = statusFail
		}
	case !d.Expiry().IsZero():
		v.DocumentSuccess = nil // nobody can say whether it has expired
		if v.Status == statusSuccess {
			v.Status = statusError
		}
	}
	return nil
}

// front is the picture of a call's document.
func (c *call) front(in *validationRequest) ([]byte, error) {
	if in.Model.FrontImage == nil || *in.Model.FrontImage == "" {
		return nil, errors.New("frontImageBase64 is required")
	}
	picture, err := c.object.Base64(*in.Model.FrontImage, api.MaxBody)
	if err != nil || len(picture) == 0 {
		return nil, errors.New("frontImageBase64 is not base64")
	}
	return picture, nil
}

// same reports whether the face on a document is that of l; nil: there is none.
func (c *call) same(l, portrait *api.Look) (*bool, error) {
	if portrait.Failed&(api.StageDetect|api.StageEmbed) != 0 {
		return nil, searchMissing()
	}
	if portrait.Template.Model == "" {
		return nil, nil
	}
	score, err := c.Judge.Compare(l.Template, portrait.Template)
	if err != nil {
		return nil, fmt.Errorf("compare portrait: %w", err)
	}
	return new(score*100 >= c.settings.Threshold), nil
}
