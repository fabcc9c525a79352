// Package baf serves the Validation API: a host makes an applicant, has them registered by a
// picture of their face, with or without one of a document, and later authorised by their face
// alone. Both go to one endpoint; the first success of an applicant registers.
//
// An applicant is a person. What belongs to the applicant and not to the person, the contact and
// the count of attempts, is a record that goes with the person. Pictures and what was read from a
// document are not kept.
//
// Calls are answered with a status in a body of HTTP 200, or with one of the original's errors,
// which clients tell apart by their messages. Handlers are safe for concurrent use.
package baf

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// Register adds the API's routes to mux.
func Register(mux *http.ServeMux, s *api.Service) {
	h := &handlers{s}
	for _, prefix := range []string{"", "/publicapi"} {
		api.Routes{Mux: mux, Fail: h.fail}.Nothing(prefix + "/api/v2/")
		h.route(mux, prefix+"/api/v2/public/Validation", methods{http.MethodPost: {store.ScopeAuthenticate, (*call).validate}})
		h.route(mux, prefix+"/api/v2/private/Applicants", methods{
			http.MethodPost: {store.ScopeEnrol, (*call).createApplicant},
			http.MethodGet:  {store.ScopeRead, (*call).listApplicants},
		})
		h.route(mux, prefix+"/api/v2/private/Applicants/{id}", methods{http.MethodGet: {store.ScopeRead, (*call).showApplicant}})
	}
}

type handlers struct{ *api.Service }

// A call is one call by the holder of a key.
type call struct {
	*handlers
	key      store.Key
	began    time.Time
	settings Settings

	object *api.Object // the body, where there is one

	person string // whom it turned out to be about
	result string // of the event; empty: done
	scores access.Scores
}

type method struct {
	scope string
	do    func(c *call, r *http.Request) (any, error)
}

type methods map[string]method

// route answers calls of a path. A call with a key is in the audit trail before it is answered.
func (h *handlers) route(mux *http.ServeMux, path string, offered methods) {
	name := path[strings.LastIndex(path, "/v2/")+len("/v2/"):]
	api.Routes{Mux: mux, Fail: h.fail}.Handle(path, func(w http.ResponseWriter, r *http.Request) {
		m, ok := offered[r.Method]
		if !ok {
			h.fail(w, r, &api.Error{Code: api.MethodNotAllowed, Allow: offered.allow()})
			return
		}
		c := &call{handlers: h, began: time.Now()}
		v, err := c.run(r, m)
		if recorded := c.record(r.Context(), r.Method+" "+name, err); recorded != nil {
			err = recorded
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		api.JSON(w, http.StatusOK, v)
	})
}

func (m methods) allow() string {
	var list []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if _, ok := m[method]; ok {
			list = append(list, method)
		}
	}
	return strings.Join(list, ", ")
}

// run does what was asked, once the caller may ask for it.
func (c *call) run(r *http.Request, m method) (any, error) {
	var secret string
	if scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		secret = strings.TrimSpace(rest)
	}
	var err error
	if c.key, err = c.Keys.Authenticate(r.Context(), secret, store.APIBaf, m.scope, c.began); err != nil {
		return nil, err
	}
	if c.settings, err = c.project(r.Context()); err != nil {
		return nil, err
	}
	return m.do(c, r)
}

// record notes the call in the audit trail.
func (c *call) record(ctx context.Context, name string, err error) error {
	if c.key.ID == "" || c.Tallied(c.key, err) {
		return nil
	}
	result := c.result
	if err != nil {
		_, message, _ := told(err)
		if result = strings.ToLower(message); errors.Is(err, access.ErrNotFound) {
			result = "not found" // the message shows what was sent
		}
	} else if result == "" {
		result = "done"
	}
	// A caller that has gone leaves a record all the same.
	_, err = c.Record(context.WithoutCancel(ctx), c.key, name, c.person, result, c.scores)
	return err
}

// body reads a JSON body into v. Its room is given back by leave, which may be called after an
// error too.
func (c *call) body(r *http.Request, v any) (leave func(), err error) {
	if c.object, leave, err = c.ReadObject(r, api.MaxBody); err == nil {
		err = c.object.Decode(v)
	}
	return leave, err
}
