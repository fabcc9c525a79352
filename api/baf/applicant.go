package baf

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

const applicantKind = "baf.applicant"

// The states of an applicant.
const (
	stateOpen = iota
	stateVerified
	stateFailed
	stateCancelled
)

// An applicantRequest is what a host says of an applicant. All of it may be left out, and null
// is as good as left out.
type applicantRequest struct {
	FirstName          *string            `json:"firstName"`
	LastName           *string            `json:"lastName"`
	Phone              *string            `json:"phone"`
	Email              *string            `json:"email"`
	Metadata           map[string]*string `json:"metadata"`
	CallbackURL        *string            `json:"callbackUrl"`
	SendSMS            *bool              `json:"sendSms"` // none is ever sent
	Status             *int               `json:"status"`
	VerificationMethod *int               `json:"verificationMethod"`
}

// check returns an *api.Error of code Malformed where a value is not one of those there are, or
// too long to keep.
func (a *applicantRequest) check() error {
	bad := func(what string) error { return &api.Error{Code: api.Malformed, Detail: what} }
	if a.Status != nil && (*a.Status < stateOpen || *a.Status > stateCancelled) {
		return bad("status")
	}
	if a.VerificationMethod != nil && *a.VerificationMethod != 0 && *a.VerificationMethod != 1 {
		return bad("verificationMethod")
	}
	if len(a.Metadata) > 16 {
		return bad("metadata")
	}
	texts := []*string{a.FirstName, a.LastName, a.Phone, a.Email, a.CallbackURL}
	limits := []int{120, 120, 64, 254, 2048}
	for name, value := range a.Metadata {
		texts, limits = append(texts, &name, value), append(limits, 64, 1024)
	}
	for i, t := range texts {
		if t != nil && (len(*t) > limits[i] || !utf8.ValidString(*t) || strings.ContainsFunc(*t, unicode.IsControl)) {
			return bad("text")
		}
	}
	return nil
}

// name is a person's name as the directory shows it.
func (a *applicantRequest) name() string {
	var parts []string
	for _, p := range []*string{a.FirstName, a.LastName} {
		if p != nil && strings.TrimSpace(*p) != "" {
			parts = append(parts, strings.TrimSpace(*p))
		}
	}
	return strings.Join(parts, " ")
}

// An applicant is what is kept of one.
type applicant struct {
	applicantRequest
	Used    int    `json:"used"`    // attempts at registration
	Profile string `json:"profile"` // id of the template that was made at registration
}

func (a *applicant) state() int { return *a.Status }

// attemptsLeft is 0 once there is nothing left to try for.
func (a *applicant) attemptsLeft(x Settings) int {
	if a.state() != stateOpen {
		return 0
	}
	return max(0, x.Attempts-a.Used)
}

// owner is whose applicants a key sees: its project's, or those of all keys without one.
func (c *call) owner() string { return c.key.Project }

// applicant is the one with an id. The error is a *missing where there is none, or it is another
// project's.
func (c *call) applicant(tx *store.Tx, id string) (applicant, store.Record, error) {
	var a applicant
	absent := &missing{strings.ToValidUTF8(id[:min(len(id), 64)], "")}
	if id == "" || len(id) > 64 {
		return a, store.Record{}, absent
	}
	rec, err := tx.Record(applicantKind, id)
	if errors.Is(err, access.ErrNotFound) || err == nil && rec.Owner != c.owner() {
		return a, rec, absent
	}
	if err != nil {
		return a, rec, err
	}
	if err := json.Unmarshal(rec.Body, &a); err != nil {
		return a, rec, fmt.Errorf("read %v: %w", rec, err)
	}
	return a, rec, nil
}

// keep writes an applicant back.
func keep(tx *store.Tx, rec store.Record, a applicant) (err error) {
	if rec.Body, err = json.Marshal(a); err != nil {
		return fmt.Errorf("keep applicant: %w", err)
	}
	return tx.PutRecord(rec)
}

type created struct {
	ApplicantID    string `json:"applicantId"`
	ValidationLink string `json:"validationLink"`
}

// createApplicant makes an applicant, and the person they are.
func (c *call) createApplicant(r *http.Request) (any, error) {
	var a applicant
	leave, err := c.body(r, &a.applicantRequest)
	defer leave()
	if err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.Status == nil {
		a.Status = new(stateOpen)
	}
	c.person = newUUID()
	err = c.DB.Update(r.Context(), c.Act(c.key), func(tx *store.Tx) error {
		if _, err := tx.AddPerson(access.Person{ID: c.person, Name: a.name()}); err != nil {
			return err
		}
		return keep(tx, store.Record{Kind: applicantKind, ID: c.person, Owner: c.owner(), Person: c.person}, a)
	})
	if errors.Is(err, access.ErrInvalid) {
		err = &api.Error{Code: api.Malformed, Err: err}
	}
	return created{c.person, "https://" + r.Host + "/embedded?requestId=" + url.QueryEscape(c.person)}, err
}

// A shown is an applicant as it is told.
type shown struct {
	applicantRequest
	ApplicantID   string `json:"applicantId"`
	AttemptsCount int    `json:"attemptsCount"`
	AttemptsLeft  int    `json:"attemptsLeft"`
}

func (c *call) show(id string, a applicant) shown {
	return shown{a.applicantRequest, id, c.settings.Attempts, a.attemptsLeft(c.settings)}
}

func (c *call) showApplicant(r *http.Request) (any, error) {
	id := r.PathValue("id")
	var out shown
	err := c.DB.View(r.Context(), func(tx *store.Tx) error {
		a, _, err := c.applicant(tx, id)
		if err == nil {
			c.person, out = id, c.show(id, a)
		}
		return err
	})
	return out, err
}

type listed struct {
	Page       int     `json:"page"`
	PageSize   int     `json:"pageSize"`
	Total      int     `json:"total"`
	TotalPages int     `json:"totalPages"`
	Items      []shown `json:"items"`
}

// listApplicants tells one page of the key's applicants, the oldest first.
func (c *call) listApplicants(r *http.Request) (any, error) {
	out := listed{Items: []shown{}}
	var err error
	if out.Page, err = number(r, "Page", 1, 1<<20); err != nil {
		return nil, err
	}
	if out.PageSize, err = number(r, "PageSize", 10, 100); err != nil {
		return nil, err
	}
	var page []store.Record
	err = c.DB.List(r.Context(), func(tx *store.Tx) error {
		var err error
		if out.Total, err = tx.CountRecords(applicantKind, c.owner()); err != nil {
			return err
		}
		first := (out.Page - 1) * out.PageSize
		if first >= out.Total {
			return nil
		}
		after, err := tx.SkipRecords(applicantKind, c.owner(), first)
		if err == nil {
			page, err = tx.Records(applicantKind, c.owner(), after, out.PageSize)
		}
		return err
	})
	if store.CodeOf(err) == store.CodeBusy {
		err = &api.Error{Code: api.Busy, RetryAfter: time.Second, Err: err}
	}
	if err != nil {
		return nil, err
	}
	for _, rec := range page {
		var a applicant
		if err := json.Unmarshal(rec.Body, &a); err != nil {
			return nil, fmt.Errorf("read %v: %w", rec, err)
		}
		out.Items = append(out.Items, c.show(rec.ID, a))
	}
	out.TotalPages = (out.Total + out.PageSize - 1) / out.PageSize
	return out, nil
}

// number is a number of the query, 1..most, or what it is where it is left out.
func number(r *http.Request, name string, absent, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, &api.Error{Code: api.Malformed, Detail: name}
	}
	return n, nil
}

// newUUID is a random UUID, of version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
