package argos

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/portrait"
	"facegate/internal/logkey"
	"facegate/pipeline/face"
	"facegate/store"
	"facegate/store/seal"
)

// timeFormat is how every time is written, in UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

// The outcomes.
const (
	approved = "approved"
	rejected = "rejected"
)

// A result is the answer to an authentication.
type result struct {
	ID       string   `json:"authentication_id"`
	Status   string   `json:"auth_status"`
	Created  string   `json:"create_time"`
	Score    scores   `json:"score"`
	Codes    []string `json:"fail_code,omitempty"`
	Comments []string `json:"rejected_comment,omitempty"`
}

// scores are those of the checks that ran.
type scores struct {
	Similarity score  `json:"face_similarity_score"`
	Occluded   *score `json:"occluded_score,omitempty"`
	FaceCover  *score `json:"face_cover_score,omitempty"`
	HeadCover  *score `json:"head_cover_score,omitempty"`
}

// A score is 0..100. It is written with one decimal and cut off there, so that one below its
// threshold never reads as if it were not.
type score float64

// MarshalJSON is the text of the number.
func (s score) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, math.Floor(float64(s)*10)/10, 'f', 1, 64), nil
}

// check adds a check's score, and its failure where the score is below the threshold or no
// number.
func (r *result) check(s score, threshold float64, code, comment string) {
	if float64(s) >= threshold {
		return
	}
	r.Status = rejected
	r.Codes, r.Comments = append(r.Codes, code), append(r.Comments, comment)
}

// bare is the threshold of the check whether the face is bare, in the pipeline's own terms.
const bare = 50

// rate holds a look against the thresholds of a project.
func (r *result) rate(similarity float64, l *api.Look, p store.ArgosProject) {
	r.Status = approved
	r.Score.Similarity = score(100 * similarity)
	r.check(r.Score.Similarity, p.Similarity, "face_compare_underscore", "Face compare similarity score is lower than the threshold")
	if p.Occluded {
		// A mask is no occlusion to the pipeline, but it is where the face must be bare. What could
		// not be looked at is taken as covered.
		s := score(100 * (1 - max(value(l.Occluded, 1), value(l.Mask, 1))))
		r.Score.Occluded = &s
		r.check(s, math.Nextafter(bare, 100), "Face_Occluded_fail", "Face is occluded")
	}
	if p.FaceCover > 0 {
		s := score(100 * value(l.Mask, 0))
		if l.MaskSeen == "nose_out" {
			s = 0 // it covers no face
		}
		r.Score.FaceCover = &s
		r.check(s, p.FaceCover, "Face_cover_fail", "Protection equipment is not found on Face")
	}
	if p.HeadCover > 0 {
		s := score(100 * value(l.Head, 0))
		if l.HeadSeen != "helmet" {
			s = 0 // a cap protects from the sun
		}
		r.Score.HeadCover = &s
		r.check(s, p.HeadCover, "Head_cover_fail", "Protection equipment is not found on Head")
	}
}

// value is *x, or what stands for a score that there is not.
func value(x *float64, instead float64) float64 {
	if x == nil || math.IsNaN(*x) {
		return instead
	}
	return *x
}

// authenticate answers POST.
func (h *handler) authenticate(w http.ResponseWriter, r *http.Request) {
	// The key is looked at first and a wrong one answered where its turn is: a form that is broken
	// or lacks a field is said to be so.
	key, denied := h.key(r, store.ScopeAuthenticate)
	if e, ok := errors.AsType[*api.Error](denied); ok && e.Code != api.UnknownKey && e.Code != api.NoScope {
		h.fail(w, r, h.noted(r.Context(), key, "faceauth", "", denied))
		return
	}
	c := &call{h: h, key: key, began: time.Now()}
	f, leave, err := h.readForm(r, denied)
	if err == nil {
		defer leave()
		err = c.run(r.Context(), f, denied)
	}
	if err != nil {
		h.fail(w, r, h.noted(r.Context(), key, "faceauth", c.person, err))
		return
	}
	api.JSON(w, http.StatusOK, c.result)
}

// A call is one authentication.
type call struct {
	h      *handler
	key    store.Key
	began  time.Time
	person string // once known
	result result
}

// run judges a form and keeps the outcome.
func (c *call) run(ctx context.Context, f *form, denied error) error {
	if f.submission == "" || !f.given {
		return errField(http.StatusBadRequest)
	}
	if denied != nil {
		return denied
	}
	policy, err := c.h.policy(ctx, c.key)
	if err != nil {
		return err
	}
	enrolled, err := c.submission(ctx, f.submission)
	if err != nil {
		return err
	}
	if f.picture == nil {
		return errConverting()
	}
	if err := c.h.Keys.Try(c.person, time.Now()); err != nil {
		return err
	}
	l, err := c.h.look(ctx, f.picture)
	if err != nil {
		return err
	}
	similarity, err := c.h.compare(l.Template, enrolled)
	if err != nil {
		return errDetection(http.StatusInternalServerError, err)
	}
	c.result.rate(similarity, l, policy)
	if err := c.keep(ctx, f, policy, audited(similarity, l)); err != nil {
		return err
	}
	if c.result.Status == approved {
		c.h.Unlock(ctx, c.key, c.person, l, c.began)
	}
	return nil
}

// policy is the project that a key stands for.
func (h *handler) policy(ctx context.Context, k store.Key) (store.ArgosProject, error) {
	p, err := h.DB.Project(ctx, store.APIArgos, k.Project)
	if errors.Is(err, access.ErrNotFound) {
		return store.ArgosProject{}, errProject(http.StatusBadRequest)
	}
	var policy store.ArgosProject
	if err == nil {
		policy, err = p.Argos()
	}
	if err != nil {
		return store.ArgosProject{}, errData(http.StatusInternalServerError, err)
	}
	return policy, nil
}

// submission finds an approved one and what its face is compared with.
func (c *call) submission(ctx context.Context, id string) ([]api.Template, error) {
	if access.CheckID(id) != nil {
		return nil, errSubmission()
	}
	var person access.Person
	var list []api.Template
	err := c.h.DB.View(ctx, func(tx *store.Tx) (err error) {
		if person, err = tx.Person(id); err != nil {
			return err
		}
		for t, err := range tx.TemplatesOf(id) {
			if errors.Is(err, seal.ErrSealed) {
				continue // damaged: it must never match
			}
			if err != nil {
				return err
			}
			list = append(list, api.Template{Model: t.Model, Vector: t.Vector, Masked: t.Cover == store.CoverMask})
		}
		if len(list) > 0 {
			return nil
		}
		t, ok, err := portrait.Get(tx, id)
		if ok {
			list = append(list, t)
		}
		return err
	})
	switch {
	case errors.Is(err, access.ErrNotFound):
		return nil, errSubmission()
	case err != nil:
		return nil, errData(http.StatusInternalServerError, err)
	}
	c.person = id
	if c.h.Barred(person) || len(list) == 0 {
		return nil, errStatus()
	}
	return list, nil
}

// look has a picture looked at. The Look has a template.
func (h *handler) look(ctx context.Context, picture []byte) (*api.Look, error) {
	l, err := h.Judge.Look(ctx, picture, api.WantTemplate|api.WantQuality|api.WantLiveness)
	switch {
	case err != nil:
		return nil, err
	case l.Fault == api.Undecodable:
		return nil, errConverting()
	case l.Fault != api.NoFault:
		return nil, errProcessing()
	case l.Failed&api.StageDetect != 0:
		return nil, errDetection(http.StatusInternalServerError, errors.New("no faces can be looked for"))
	case l.Quality == face.NoFace:
		return nil, errNoFace()
	case l.Failed&api.StageLandmarks != 0:
		return nil, errProcessing()
	case l.Failed&(api.StageEmbed|api.StageCover) != 0 || l.Template.Vector == nil:
		return nil, errDetection(http.StatusInternalServerError, errors.New("a stage failed"))
	}
	return l, nil
}

// compare is the highest similarity to one of the enrolled templates, 0..1.
func (h *handler) compare(t api.Template, enrolled []api.Template) (float64, error) {
	best, compared := 0., false
	for _, probe := range append([]api.Template{t}, t.Older...) {
		for _, e := range enrolled {
			if e.Model != probe.Model {
				continue
			}
			s, err := h.Judge.Compare(probe, e)
			if err != nil {
				return 0, err
			}
			best, compared = max(best, s), true
		}
	}
	if !compared {
		return 0, errors.New("no enrolled template is of a model in use")
	}
	return best, nil
}

// audited is what the trail is told: nothing of a similarity where liveness has not passed.
func audited(similarity float64, l *api.Look) access.Scores {
	s := access.Scores{Mask: l.Mask, Head: l.Head}
	if l.Live != access.LivenessUnavailable {
		s.Liveness = &l.LiveScore
	}
	if l.Live == access.Live {
		match := 100 * similarity
		s.Match = &match
	}
	return s
}

// kind is that of the records of authentications.
const kind = "argos.auth"

// keptFor is how long an authentication is listed.
const keptFor = 365 * 24 * time.Hour

// kept is what is kept of an authentication. One that was deleted has its status alone.
type kept struct {
	Status     string              `json:"status"`
	Submission string              `json:"submission,omitempty"`
	User       string              `json:"user,omitempty"`
	CF         [3]string           `json:"cf,omitzero"`
	Score      scores              `json:"score,omitzero"`
	Codes      []string            `json:"codes,omitempty"`
	Policy     *store.ArgosProject `json:"policy,omitempty"`
	Deleted    bool                `json:"deleted,omitempty"`
}

// keep keeps the outcome, puts the webhook in the outbox and records the call, all or nothing.
func (c *call) keep(ctx context.Context, f *form, p store.ArgosProject, s access.Scores) error {
	act := c.h.Act(c.key)
	c.result.ID = newID(act.At)
	c.result.Created = act.At.UTC().Format(timeFormat)
	url := p.Webhook
	p.Webhook = "" // it may hold a secret
	body, err := json.Marshal(kept{c.result.Status, c.person, f.user, f.custom, c.result.Score, c.result.Codes, &p, false})
	if err != nil {
		return errData(http.StatusInternalServerError, err)
	}
	hook, err := json.Marshal(notice{"faceAuth", c.result.ID, noticeData{
		c.person, c.result.Status, c.result.Created, f.user, f.custom[0], f.custom[1], f.custom[2],
	}})
	if err != nil {
		return errData(http.StatusInternalServerError, err)
	}
	err = c.h.DB.Update(ctx, act, func(tx *store.Tx) error {
		r := store.Record{Kind: kind, ID: c.result.ID, Owner: c.key.Project, Person: c.person, Expires: act.At.Add(keptFor), Body: body}
		if err := tx.PutRecord(r); err != nil {
			return err
		}
		if url != "" {
			err := tx.AddWebhook(store.Webhook{API: store.APIArgos, Project: c.key.Project, URL: url, Body: hook, Person: c.person})
			if errors.Is(err, access.ErrTooMany) {
				c.h.Log.WarnContext(ctx, "webhook dropped: too many wait", logkey.Error, err)
			} else if err != nil {
				return err
			}
		}
		_, err := tx.Append(access.Event{
			Kind: access.KindCommandDone, Person: c.person, Scores: s,
			Data: map[string]string{"api": store.APIArgos, "call": "faceauth", "result": c.result.Status},
		})
		return err
	})
	if err != nil {
		return errData(http.StatusInternalServerError, err)
	}
	return nil
}

// A notice is what a project's server is told.
type notice struct {
	Trigger string     `json:"webhook_trigger"`
	ID      string     `json:"auth_id"`
	Data    noticeData `json:"data"`
}

type noticeData struct {
	Submission string `json:"submission_id"`
	Status     string `json:"auth_status"`
	Created    string `json:"create_time"`
	User       string `json:"user_id"`
	CF1        string `json:"cf1"`
	CF2        string `json:"cf2"`
	CF3        string `json:"cf3"`
}
