package lapis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/portrait"
	"facegate/kiosk"
	"facegate/store"
)

const (
	requestFor  = 30 * 24 * time.Hour // that a request waits to be accepted
	maxRequests = 1000                // of one owner
)

// A request asks for a person to be enrolled. Once it was accepted it holds no face any more.
type request struct {
	Email    string  `json:"email"`
	Phone    string  `json:"phone"`
	Session  session `json:"session"`
	Score    *score  `json:"score,omitempty"` // of the face that matched
	Accepted bool    `json:"accepted,omitempty"`
}

// validated reports whether the document was valid on the day of now and the face matched. A
// document that does not say how long it is valid is; where the clock is not sure none is. What
// was accepted was validated then.
func (r *request) validated(now time.Time, clock access.Clock) bool {
	if r.Accepted {
		return true
	}
	if r.Session.Face == nil {
		return false
	}
	if r.Session.Expires == "" {
		return true
	}
	y, m, d := now.Date()
	return clock == access.ClockSynced && r.Session.Expires >= fmt.Sprintf("%04d-%02d-%02d", y, m, d)
}

// listed is a request as clients see it. No pictures are kept.
type listed struct {
	ID          string  `json:"id"`
	Email       string  `json:"email"`
	Phone       string  `json:"phoneNumber"`
	IsValidated bool    `json:"isValidated"`
	IsAccepted  bool    `json:"isAccepted"`
	Front       *string `json:"idFrontImage"`
	Back        *string `json:"idBackImage"`
	Side        *string `json:"idSideImage"`
	Face        *string `json:"faceImage"`
	FaceMatch   *score  `json:"faceMatch"`
	Info        info    `json:"idInformation"`
}

// requests are those of the call's owner, the oldest first.
func (c *call) requests(tx *store.Tx) (ids []string, list []request, err error) {
	var after int64
	for {
		records, err := tx.Records(kindRequest, c.owner(), after, maxRequests)
		if err != nil || len(records) == 0 {
			return ids, list, err
		}
		for _, rec := range records {
			r, err := parseRequest(rec)
			if err != nil {
				return nil, nil, err
			}
			ids, list, after = append(ids, rec.ID), append(list, r), rec.Seq
		}
	}
}

func parseRequest(rec store.Record) (r request, err error) {
	if err := json.Unmarshal(rec.Body, &r); err != nil {
		return r, fmt.Errorf("%v: %w", rec, err)
	}
	return r, nil
}

// one finds a request of the call's owner. The error wraps access.ErrNotFound.
func (c *call) one(tx *store.Tx, id string) (store.Record, request, error) {
	unknown := fmt.Errorf("request: %w", access.ErrNotFound)
	if len(id) != 36 {
		return store.Record{}, request{}, unknown
	}
	rec, err := tx.Record(kindRequest, id)
	if err == nil && rec.Owner != c.owner() {
		err = unknown
	}
	if err != nil {
		return store.Record{}, request{}, err
	}
	r, err := parseRequest(rec)
	return rec, r, err
}

// create answers POST kyc-request.
func (c *call) create() (answer, error) {
	var in struct {
		Email string   `json:"email"`
		Phone string   `json:"phoneNumber"`
		ID    api.Long `json:"documentIdentificationId"`
	}
	if err := c.body.Decode(&in); err != nil {
		return answer{}, err
	}
	if a, err := mail.ParseAddress(in.Email); err != nil || a.Address != in.Email || max(len(in.Email), len(in.Phone)) > maxPlain || digits(in.Phone) == "" {
		return answer{}, refuse("invalid request body")
	}
	act := c.Act(c.key)
	err := c.DB.Update(c.ctx(), act, func(tx *store.Tx) error {
		rec, s, err := c.session(tx, c.id(in.ID))
		if err != nil {
			return err
		}
		_, all, err := c.requests(tx)
		if err != nil {
			return err
		}
		for _, other := range all {
			if strings.EqualFold(other.Email, in.Email) || digits(other.Phone) == digits(in.Phone) {
				return &refusal{status: http.StatusConflict, text: "email or phone number already in use"}
			}
		}
		if len(all) >= maxRequests {
			return &api.Error{Code: api.TooMany, RetryAfter: time.Hour} // until somebody accepts or deletes some
		}
		r := request{Email: in.Email, Phone: in.Phone, Session: *s}
		if s.Face != nil {
			r.Score = &s.Face.Score
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := tx.DeleteRecord(kindSession, rec.ID); err != nil {
			return err
		}
		return tx.PutRecord(store.Record{
			Kind: kindRequest, ID: newUUID(), Owner: c.owner(), Face: true, Expires: act.At.Add(requestFor), Body: text,
		})
	})
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusCreated, map[string]string{"message": "Request submitted"}, "ok"}, nil
}

// digits are those of a phone number, 7 to 15 of them; empty where it is none, or has no country
// code: none begins with 0.
func digits(phone string) string {
	if len(phone) > 32 || strings.Trim(phone, "+0123456789 -()./") != "" || strings.LastIndex(phone, "+") > 0 {
		return ""
	}
	// (0) is dialled at home only.
	d := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, strings.Replace(phone, "(0)", "", 1))
	if !strings.Contains(phone, "+") {
		d = strings.TrimPrefix(d, "00")
	}
	if len(d) < 7 || len(d) > 15 || d[0] == '0' {
		return ""
	}
	return d
}

// list answers GET, of one request where the path names it.
func (c *call) list() (answer, error) {
	id := c.request.PathValue("id")
	now := c.Now()
	clock, _ := c.Clock.Trust(now)
	out := []listed{}
	add := func(id string, r request) {
		out = append(out, listed{
			ID: id, Email: r.Email, Phone: r.Phone, IsValidated: r.validated(now, clock), IsAccepted: r.Accepted, FaceMatch: r.Score, Info: r.Session.Info,
		})
	}
	err := c.DB.List(c.ctx(), func(tx *store.Tx) error {
		if id != "" {
			_, r, err := c.one(tx, id)
			if err == nil {
				add(id, r)
			}
			return err
		}
		ids, list, err := c.requests(tx)
		for i, r := range list {
			add(ids[i], r)
		}
		return err
	})
	if store.CodeOf(err) == store.CodeBusy {
		err = &api.Error{Code: api.Busy, RetryAfter: time.Second, Err: err}
	}
	if err != nil && !errors.Is(err, access.ErrNotFound) {
		return answer{}, err
	}
	return ok(map[string][]listed{"requests": out})
}

// named is the id in a body, or in the query where there is no body.
func (c *call) named() (string, error) {
	if c.body.Empty() {
		return c.request.URL.Query().Get("id"), nil
	}
	var in struct {
		ID api.Long `json:"id"`
	}
	err := c.body.Decode(&in)
	return c.id(in.ID), err
}

// errNotAccepted is said of every request that cannot be accepted. Why not is for the audit trail.
func errNotAccepted(why string) error {
	return &refusal{status: http.StatusBadRequest, text: "Kyc request not accepted", message: true, why: why}
}

// accept makes the person of a request, with their template.
func (c *call) accept() (answer, error) {
	id, err := c.named()
	if err != nil {
		return answer{}, err
	}
	c.accepting.Lock()
	defer c.accepting.Unlock()
	var r request
	err = c.DB.View(c.ctx(), func(tx *store.Tx) error {
		_, r, err = c.one(tx, id)
		return err
	})
	if errors.Is(err, access.ErrNotFound) {
		return answer{}, errNotAccepted("there is no such request")
	}
	if err != nil {
		return answer{}, err
	}
	act := c.Act(c.key)
	if r.Accepted {
		return answer{}, errNotAccepted(id + " was accepted before")
	}
	if !r.validated(c.Now(), act.Clock) {
		return answer{}, errNotAccepted(id + " has no face, an expired document, or the clock is not sure")
	}
	c.person = id
	if err := c.enrol(act, id, &r); err != nil {
		return answer{}, err
	}
	err = c.DB.Update(c.ctx(), act, func(tx *store.Tx) error {
		rec, now, err := c.one(tx, id)
		if err != nil {
			return err
		}
		if p := now.Session.Portrait; p != nil {
			if err := portrait.Put(tx, id, p.api()); err != nil {
				return err
			}
		}
		now.Accepted = true
		now.Session.Portrait, now.Session.Face = nil, nil
		rec.Person, rec.Face, rec.Expires = id, false, time.Time{}
		if rec.Body, err = json.Marshal(now); err != nil {
			return err
		}
		return tx.PutRecord(rec)
	})
	if err != nil {
		return answer{}, errors.Join(err, c.undo(act, id))
	}
	return ok(map[string]string{"message": "Kyc request accepted"})
}

// enrol adds the person of a request with their template, or nobody.
func (c *call) enrol(act store.Act, id string, r *request) error {
	p := access.Person{ID: id, Name: r.Session.Info.FullName}
	if c.key.Consent != "" {
		p.Consent = &access.Consent{Text: c.key.Consent, At: act.At, How: "api"}
	}
	err := c.DB.Update(c.ctx(), act, func(tx *store.Tx) error { _, err := tx.AddPerson(p); return err })
	if errors.Is(err, access.ErrExists) {
		// An acceptance that was cut off has left them; nobody else is given this id.
		if err = c.undo(act, id); err == nil {
			err = c.DB.Update(c.ctx(), act, func(tx *store.Tx) error { _, err := tx.AddPerson(p); return err })
		}
	}
	if errors.Is(err, access.ErrInvalid) {
		return errNotAccepted("nobody can be enrolled with this id")
	}
	if err != nil {
		return err
	}
	_, err = c.Judge.Enrol(c.ctx(), act, id, r.Session.Face.look(), false, nil)
	if err == nil {
		return nil
	}
	undone := c.undo(act, id)
	_, refused := errors.AsType[*kiosk.RefusedError](err)
	if (refused || errors.Is(err, store.ErrNoConsent)) && undone == nil {
		return errNotAccepted(err.Error())
	}
	return errors.Join(err, undone)
}

// undo erases the person of a request that was not accepted after all.
func (c *call) undo(act store.Act, id string) error {
	_, err := c.DB.ErasePerson(context.WithoutCancel(c.ctx()), act, id)
	return err
}

// remove answers DELETE.
func (c *call) remove() (answer, error) {
	id, err := c.named()
	if err != nil {
		return answer{}, err
	}
	if id == "" {
		return answer{}, refuse("id is required")
	}
	err = c.DB.Update(c.ctx(), c.Act(c.key), func(tx *store.Tx) error {
		rec, _, err := c.one(tx, id)
		if err != nil {
			return err
		}
		c.person = rec.Person
		return tx.DeleteRecord(kindRequest, id)
	})
	if errors.Is(err, access.ErrNotFound) {
		return answer{}, refuse("there is no request with the provided id")
	}
	if err != nil {
		return answer{}, err
	}
	return ok(map[string]string{"message": "KYC request deleted!"})
}
