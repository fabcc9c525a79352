// Package faceguard serves the FaceGuard API: a customer's browser shows their face to a page
// of ours, and the customer's host learns whether it is the enrolled one.
//
// The host's server holds a key and asks for a portal token for one customer under one
// [Workflow]. The page ([App]) runs in the browser with that token, makes a session of it and
// sends pictures with the session's own token; a short code hands the session to a phone. A
// portal token has one session, a session one verdict.
//
// A session is failed by a face that is not the customer's, by pictures that do not show
// somebody alive, and by pictures that could not be judged, once there are as many of them as
// the workflow allows; until then the page asks again. Pictures are not kept. A door opens only
// as [api.Service.Unlock] says.
//
// Everything is answered in one envelope, errors with the words of the original. Handlers are
// safe for concurrent use; what they know of a session is in the store.
package faceguard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/internal/logkey"
	"facegate/store"
)

// Register adds the API's routes to mux.
func Register(mux *http.ServeMux, s *api.Service) {
	g := &guard{s}
	g.route(mux, "/faceguard/session/portal", methods{http.MethodPost: g.portal})
	g.route(mux, "/faceguard/session", methods{http.MethodPost: g.begin})
	g.route(mux, "/faceguard/session/status", methods{http.MethodGet: g.status})
	g.route(mux, "/faceguard/session/capture", methods{http.MethodPost: g.capture})
	g.route(mux, "/faceguard/short-code", methods{http.MethodPost: g.makeCode, http.MethodPut: g.makeCode, http.MethodGet: g.redeemCode})
	g.route(mux, "/faceguard/app/config", methods{http.MethodGet: g.config})
	g.pages(mux)
}

type guard struct{ s *api.Service }

// An answer is what came of a call: the envelope's message and data, and what the audit trail
// is told where a key stands behind the call.
type answer struct {
	message string
	data    any

	key    store.Key
	person string
	result string // of the event; empty: done
	scores access.Scores
}

// A handler answers a call. Where the error is not nil, only key and person of the answer count.
type handler func(w http.ResponseWriter, r *http.Request) (answer, error)

type methods map[string]handler

// route answers calls of a path: all answers are in the envelope, also those to a method that
// is not offered, and a call that a key stands behind is in the audit trail before its answer
// is sent.
func (g *guard) route(mux *http.ServeMux, path string, offered methods) {
	call := strings.TrimPrefix(path, "/faceguard/")
	api.Routes{Mux: mux, Fail: g.fail}.Handle(path, func(w http.ResponseWriter, r *http.Request) {
		h, ok := offered[r.Method]
		if !ok {
			g.fail(w, r, &api.Error{Code: api.MethodNotAllowed, Allow: offered.allow()})
			return
		}
		a, err := h(w, r)
		if recorded := g.record(r.Context(), strings.ToLower(r.Method)+" "+call, a, err); recorded != nil {
			err = recorded
		}
		if err != nil {
			g.fail(w, r, err)
			return
		}
		api.JSON(w, http.StatusOK, envelope{http.StatusOK, a.message, a.data})
	})
}

// allow is the header of an answer to another method.
func (m methods) allow() string {
	var list []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		if m[method] != nil {
			list = append(list, method)
		}
	}
	return strings.Join(list, ", ")
}

// record notes a call in the audit trail, where a key stands behind it.
func (g *guard) record(ctx context.Context, call string, a answer, err error) error {
	if a.key.ID == "" || g.s.Tallied(a.key, err) {
		return nil
	}
	result := a.result
	switch {
	case err != nil:
		result = strings.ToLower(http.StatusText(statusOf(err)))
	case result == "":
		result = "done"
	}
	// A caller who hung up has been answered all the same.
	_, recorded := g.s.Record(context.WithoutCancel(ctx), a.key, call, a.person, result, a.scores)
	return recorded
}

type envelope struct {
	StatusCode int    `json:"status_code"`
	Message    string `json:"message"`
	Data       any    `json:"data"`
}

// meaning is the original's word for a status.
func meaning(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "Bad Request: missing required field or malformed JSON"
	case http.StatusUnauthorized:
		return "Unauthorized: invalid or missing API key / token"
	case http.StatusForbidden:
		return "Forbidden: valid key but insufficient permissions"
	case http.StatusNotFound:
		return "Not Found: customer, session, or resource not found"
	case http.StatusTooManyRequests:
		return "Too Many Requests: rate limit exceeded"
	}
	return http.StatusText(status)
}

// busyFor is how long a caller waits who is not told it by somebody who knows.
const busyFor = 2 * time.Second

// statusOf is the HTTP status of an error. The original has neither 413 nor 503.
func statusOf(err error) int {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		if errors.Is(err, access.ErrNotFound) {
			return http.StatusNotFound
		}
		return http.StatusInternalServerError
	}
	switch e.Code {
	case api.TooLarge:
		return http.StatusBadRequest
	case api.Busy:
		return http.StatusTooManyRequests
	}
	return e.Code.Status()
}

func (g *guard) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := statusOf(err)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Allow != "" {
		w.Header().Set("Allow", e.Allow)
	}
	switch status {
	case http.StatusTooManyRequests:
		wait := busyFor
		if e, ok := errors.AsType[*api.Error](err); ok && e.RetryAfter > 0 {
			wait = e.RetryAfter
		}
		api.RetryAfter(w, wait)
	case http.StatusInternalServerError:
		g.s.Log.ErrorContext(r.Context(), "call failed", logkey.Path, r.URL.Path, logkey.Error, err)
	}
	api.JSON(w, status, envelope{status, meaning(status), nil})
}

// bearer is the token or key of a call, or empty.
func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// admit returns an error wrapping access.ErrNotFound where there is no such customer, or they are
// blocked or not valid now.
func (g *guard) admit(ctx context.Context, customer string) error {
	p, err := g.s.DB.Person(ctx, customer)
	if err == nil && g.s.Barred(p) {
		err = fmt.Errorf("customer: %w", access.ErrNotFound)
	}
	return err
}

// A portalRequest is whom a portal token is asked for. What else a host says of its customer
// must be text, and is neither needed nor kept.
type portalRequest struct {
	WorkflowID string `json:"workflow_id"`
	Customer   struct {
		CustomerID string  `json:"customer_id"`
		Email      *string `json:"email"`
		FirstName  *string `json:"first_name"`
		LastName   *string `json:"last_name"`
	} `json:"customer"`
}

func decodePortal(o *api.Object) (portalRequest, error) {
	var in portalRequest
	if err := o.Decode(&in); err != nil {
		return in, err
	}
	var missing []string
	if in.WorkflowID == "" {
		missing = append(missing, "workflow_id")
	}
	if in.Customer.CustomerID == "" {
		missing = append(missing, "customer_id")
	}
	if missing != nil {
		return in, &api.Error{Code: api.Missing, Fields: missing}
	}
	return in, nil
}

// portal makes a portal token for a customer.
func (g *guard) portal(_ http.ResponseWriter, r *http.Request) (answer, error) {
	ctx := r.Context()
	key, err := g.s.Keys.Authenticate(ctx, bearer(r), store.APIFaceguard, store.ScopeAuthenticate, time.Now())
	a := answer{key: key, message: "Portal token created"}
	if err != nil {
		return a, err
	}
	body, leave, err := g.s.ReadObject(r, api.MaxBody)
	defer leave()
	if err != nil {
		return a, err
	}
	in, err := decodePortal(body)
	if err != nil {
		return a, err
	}
	project, err := g.s.DB.Project(ctx, store.APIFaceguard, in.WorkflowID)
	if err != nil {
		return a, err
	}
	if key.Project != "" && key.Project != in.WorkflowID {
		return a, &api.Error{Code: api.NoScope, Detail: "the key is of another workflow"}
	}
	if err := g.admit(ctx, in.Customer.CustomerID); err != nil {
		return a, err
	}
	a.person = in.Customer.CustomerID
	act := g.s.Act(key)
	p := portal{Key: key.ID, Customer: in.Customer.CustomerID, Workflow: in.WorkflowID}
	c := claims{Type: portalToken, Issuer: in.WorkflowID, ID: newID(), IssuedAt: act.At.Unix(), Expires: act.At.Add(portalFor).Unix()}
	text, err := json.Marshal(p)
	if err != nil {
		return a, err
	}
	err = g.s.DB.Update(ctx, act, func(tx *store.Tx) error {
		return tx.PutRecord(store.Record{Kind: portalKind, ID: c.ID, Owner: p.Workflow, Person: p.Customer, Expires: c.expires(), Body: text})
	})
	if err != nil {
		return a, err
	}
	token, err := c.sign(project)
	a.data = struct {
		Token      string `json:"token"`
		CustomerID string `json:"customer_id"`
	}{token, p.Customer}
	return a, err
}
