// Package facephi serves the Facephi Identity API: who posts a live picture and either the token
// of a user or a reference picture is told whether the two are one living person.
//
// A user is a person. The token, registeredTemplateRaw, is a template that only this site can
// read, bound to the user's id; which tokens of a user hold is kept in a record about the person,
// so that they end with the person or the consent. What the codes mean and what was decided where
// the published pages are silent is in docs/api/identity.md.
//
// A similarity leaves only where liveness passed. An unknown user, a token of somebody else
// and a damaged one are answered alike.
package facephi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/internal/logkey"
	"facegate/store"
)

// Register adds the API's routes to mux.
func Register(mux *http.ServeMux, s *api.Service) {
	h := &handler{Service: s}
	routes := api.Routes{Mux: mux, Fail: h.fail}
	routes.Nothing("/services/")
	for path, methods := range map[string]map[string]method{
		"/services/authenticateUser": {
			http.MethodPost:   {"authenticateUser", store.ScopeAuthenticate, (*call).authenticate},
			http.MethodDelete: {"deleteUser", store.ScopeEnrol, (*call).deleteUsers},
		},
		"/services/authenticateUser/v2":          {http.MethodPost: {"authenticateUser", store.ScopeAuthenticate, (*call).authenticate}},
		"/services/updateUserTemplate":           {http.MethodPost: {"updateUserTemplate", store.ScopeEnrol, (*call).updateTemplate}},
		"/services/captureImage":                 {http.MethodPost: {"captureImage", store.ScopeAuthenticate, (*call).captureImage}},
		"/services/evaluatePassiveLiveness":      {http.MethodPost: {"evaluatePassiveLiveness", store.ScopeAuthenticate, (*call).evaluateLiveness}},
		"/services/evaluatePassiveLivenessToken": {http.MethodPost: {"evaluatePassiveLiveness", store.ScopeAuthenticate, (*call).evaluateLiveness}},
	} {
		routes.Handle(path, func(w http.ResponseWriter, r *http.Request) {
			m, ok := methods[r.Method]
			if !ok {
				h.fail(w, r, &api.Error{Code: api.MethodNotAllowed, Allow: allow(methods)})
				return
			}
			h.serve(w, r, m)
		})
	}
}

// allow is the header of an answer to a method that is not offered.
func allow(methods map[string]method) string {
	var names []string
	for _, m := range []string{http.MethodPost, http.MethodDelete} {
		if _, ok := methods[m]; ok {
			names = append(names, m)
		}
	}
	return strings.Join(names, ", ")
}

type handler struct {
	*api.Service

	keyMu sync.Mutex
	key   *tokenKey
}

// A method is one of the API's calls.
type method struct {
	name  string // in the audit trail
	scope string
	do    func(*call, context.Context, fields) (*answer, error)
}

// A call is one request on its way.
type call struct {
	*handler
	key    store.Key
	began  time.Time
	person string // whom it is about, once it is known that there is such a person
	scores access.Scores
	data   map[string]string
}

// An answer is what a call comes to. Members that are nil are left out.
type answer struct {
	status int

	Code        int     `json:"serviceResultCode"`
	Log         string  `json:"serviceResultLog"`
	Time        string  `json:"serviceTime"`
	Transaction string  `json:"serviceTransactionId"`
	Liveness    *int    `json:"serviceLivenessResult,omitempty"`
	Facial      *int    `json:"serviceFacialAuthenticationResult,omitempty"`
	Similarity  *number `json:"serviceFacialSimilarityResult,omitempty"`
	Template    string  `json:"templateRaw,omitempty"`
	Best        string  `json:"bestImageToken,omitempty"`
	Live        string  `json:"template,omitempty"`
	Timestamp   string  `json:"timestamp,omitempty"`
	Second      string  `json:"transactionId,omitempty"` // the transaction once more
}

// A number is 0..1, cut to four decimals: what is below a threshold is not shown at it.
type number float64

// MarshalJSON cuts.
func (n number) MarshalJSON() ([]byte, error) {
	if !(n >= 0 && n <= 1) {
		return []byte("0"), nil
	}
	whole, part, _ := strings.Cut(strconv.FormatFloat(float64(n), 'f', -1, 64), ".")
	if part = strings.TrimRight(part[:min(len(part), 4)], "0"); part != "" {
		whole += "." + part
	}
	return []byte(whole), nil
}

// serve answers a call of a method that is offered.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, m method) {
	c := &call{handler: h, began: time.Now(), data: map[string]string{}}
	a, err := c.run(r, m)
	if c.key.ID != "" && !h.Tallied(c.key, err) {
		// What came of it is told before that it could not be recorded.
		if rerr := c.record(r.Context(), m, a, err); rerr != nil && err == nil {
			err = rerr
		}
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	api.JSON(w, a.status, a)
}

// run does what was asked, once the caller may ask for it.
func (c *call) run(r *http.Request, m method) (*answer, error) {
	var err error
	if c.key, err = c.Keys.Authenticate(r.Context(), r.Header.Get("x-api-key"), store.APIFacephi, m.scope, c.began); err != nil {
		return nil, err
	}
	object, leave, err := c.ReadObject(r, api.MaxBody)
	defer leave()
	if err != nil {
		return nil, err
	}
	f, err := readFields(object)
	if err != nil {
		return nil, err
	}
	a, err := m.do(c, r.Context(), f)
	if err != nil {
		return nil, err
	}
	a.Time = strconv.FormatInt(time.Since(c.began).Milliseconds(), 10)
	a.Transaction = newUUID()
	if m.name == "updateUserTemplate" {
		a.Timestamp, a.Second = time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), a.Transaction
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a, nil
}

// record notes the call in the audit trail.
func (c *call) record(ctx context.Context, m method, a *answer, err error) error {
	c.data["api"], c.data["call"] = store.APIFacephi, m.name
	if e, ok := errors.AsType[*api.Error](err); ok && e.Code != api.Internal {
		c.data["result"] = strconv.Itoa(status(e.Code))
	} else if err != nil {
		c.data["result"] = strconv.Itoa(http.StatusInternalServerError)
	} else {
		c.data["result"] = strconv.Itoa(a.Code)
		c.data["transaction"] = a.Transaction
		if a.Liveness != nil {
			c.data["liveness"] = strconv.Itoa(*a.Liveness)
		}
	}
	e := access.Event{Kind: access.KindCommandDone, Person: c.person, Scores: c.scores, Data: c.data}
	// A caller that has gone leaves a record all the same.
	if _, err := c.DB.AppendEvent(context.WithoutCancel(ctx), c.Act(c.key), e); err != nil {
		return fmt.Errorf("record call: %w", err)
	}
	return nil
}

// A problem is an error as it is told.
type problem struct {
	Status int      `json:"status"`
	Title  string   `json:"title"`
	Detail string   `json:"detail"`
	Type   string   `json:"type"`
	Errors []string `json:"errors,omitempty"`
}

// badRequest is an error that names what is wrong with a body.
func badRequest(code api.Code, errs ...string) error { return &api.Error{Code: code, Fields: errs} }

// status is the HTTP status of an error.
func status(c api.Code) int {
	if c == api.Busy {
		return http.StatusGatewayTimeout
	}
	return c.Status()
}

// fail answers with an error.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		e = &api.Error{Err: err}
	}
	if e.Code == api.Internal {
		h.Log.ErrorContext(r.Context(), "call failed", logkey.Path, r.URL.Path, logkey.Error, err)
	}
	if e.RetryAfter > 0 {
		api.RetryAfter(w, e.RetryAfter)
	}
	if e.Code == api.Busy {
		api.JSON(w, status(e.Code), map[string]string{"message": "Endpoint request timed out"})
		return
	}
	p := problem{Status: status(e.Code), Detail: detail(e.Code)}
	p.Title = http.StatusText(p.Status)
	p.Type = "https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/" + strconv.Itoa(p.Status)
	switch e.Code {
	case api.Malformed, api.Missing:
		if p.Errors = e.Fields; len(p.Errors) == 0 {
			p.Errors = []string{"body is not valid JSON"}
		}
	case api.MethodNotAllowed:
		w.Header().Set("Allow", e.Allow)
	}
	api.JSON(w, p.Status, p)
}

// detail is what the body of an error says.
func detail(c api.Code) string {
	switch c {
	case api.Malformed, api.Missing:
		return "Invalid request."
	case api.NoKey, api.UnknownKey:
		return "Invalid API key."
	case api.NoScope:
		return "The API key does not allow this operation."
	case api.MethodNotAllowed:
		return "The method is not allowed."
	case api.NotFound:
		return "The resource does not exist."
	case api.TooLarge:
		return "The request body is too large."
	case api.TooMany:
		return "Too many requests."
	case api.Upstream:
		return "Server got an invalid response."
	}
	return "Internal error."
}

// newUUID is a random one, version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// fraction is a score for the audit trail.
func fraction(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}

var _ slog.LogValuer = token{} // so that none is printed by mistake
