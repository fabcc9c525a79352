// Package lapis answers as Lapis eKYC does: the picture of a document is read, a face and a short
// video are compared with its portrait, and a request asks for the person to be enrolled.
//
// A document that was identified is a session of 24 hours, which the later steps name by its id.
// A request takes the session over and waits for somebody with the scope admin to accept it; then
// the person and their template exist. Sessions and requests are sealed records that hold
// templates and what the document says, but no pictures. Each belongs to the project of the key
// that made it, or to the key alone where it has none.
//
// Pictures and videos come as base64, or by URL where the project's settings list the host.
// docs/api/ekyc.md is the page for clients.
package lapis

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/fetch"
	"facegate/internal/logkey"
	"facegate/store"
)

// Register serves the API at its published paths.
func Register(mux *http.ServeMux, s *api.Service) { register(mux, s, fetch.Fetcher{}) }

type handler struct {
	*api.Service
	fetcher fetch.Fetcher // without hosts, which are the project's
	fetched *api.Room     // for what is read by URL

	accepting sync.Mutex // one request at a time
}

// register is [Register] with what tests put in place of the internet.
func register(mux *http.ServeMux, s *api.Service, fetcher fetch.Fetcher) {
	h := &handler{Service: s, fetcher: fetcher, fetched: api.NewRoom(api.MaxBody)}
	type route struct {
		method, path, scope string
		do                  func(*call) (answer, error)
	}
	routes := []route{
		{http.MethodPost, "/api/document-identification", store.ScopeEnrol, (*call).identify},
		{http.MethodPost, "/api/face-authentication", store.ScopeAuthenticate, (*call).face},
		{http.MethodPost, "/api/liveliness-verification", store.ScopeAuthenticate, (*call).liveliness},
		{http.MethodPost, "/api/kyc-request", store.ScopeEnrol, (*call).create},
		{http.MethodGet, "/api/kyc-request", store.ScopeEnrol, (*call).list},
		{http.MethodGet, "/api/kyc-request/{id}", store.ScopeEnrol, (*call).list},
		{http.MethodPost, "/api/accept-request", store.ScopeAdmin, (*call).accept},
		{http.MethodPut, "/api/accept", store.ScopeAdmin, (*call).accept},
		{http.MethodDelete, "/api/delete-request", store.ScopeAdmin, (*call).remove},
	}
	paths := api.Routes{Mux: mux, Fail: h.fail}
	paths.Nothing("/api/")
	allow := make(map[string][]string)
	for _, r := range routes {
		paths.Handle(r.method+" "+r.path, h.serve(r.scope, r.do))
		allow[r.path] = append(allow[r.path], r.method)
		if r.method == http.MethodGet {
			allow[r.path] = append(allow[r.path], http.MethodHead)
		}
	}
	for path, methods := range allow {
		paths.Handle(path, func(w http.ResponseWriter, r *http.Request) {
			h.fail(w, r, &api.Error{Code: api.MethodNotAllowed, Allow: strings.Join(methods, ", ")})
		})
	}
}

// A call is one call of a client.
type call struct {
	*handler
	key      store.Key
	request  *http.Request
	body     *api.Object // nil of GET
	leave    func()      // gives back the room of the body
	letGo    func()      // gives back the room of what was fetched last
	settings Settings
	person   string // whom it concerned, for the audit trail
	scores   access.Scores
}

// An answer is what is said to a call that came to an end.
type answer struct {
	status int
	body   any
	result string // for the audit trail
}

func ok(body any) (answer, error) { return answer{http.StatusOK, body, "ok"}, nil }

// A refusal is an error with words of its own in this API.
type refusal struct {
	status  int
	text    string
	message bool   // the text is called message, not error
	why     string // for the audit trail, or empty
}

func (r *refusal) Error() string { return r.text }

func refuse(text string) error { return &refusal{status: http.StatusBadRequest, text: text} }

// serve answers with what do says.
func (h *handler) serve(scope string, do func(*call) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody {
			h.fail(w, r, &api.Error{Code: api.TooLarge})
			return
		}
		ctx := r.Context()
		key, err := h.Keys.Authenticate(ctx, r.Header.Get("x-api-key"), store.APILapis, scope, time.Now())
		c := &call{handler: h, key: key, request: r, leave: func() {}, letGo: func() {}}
		var a answer
		if err == nil {
			a, err = c.run(ctx, do)
		}
		if err = c.noted(ctx, a.result, err); err != nil {
			h.fail(w, r, err)
			return
		}
		api.JSON(w, a.status, a.body)
	}
}

func (c *call) run(ctx context.Context, do func(*call) (answer, error)) (answer, error) {
	defer func() {
		c.body = nil // nothing of it is used any more, and its memory is given back
		c.letGo()
		c.leave()
	}()
	var err error
	if c.settings, err = c.project(ctx); err != nil {
		return answer{}, err
	}
	if c.request.Method != http.MethodGet {
		if err := c.read(); err != nil {
			return answer{}, err
		}
	}
	return do(c)
}

// noted records a call, which ended with err where that is not nil, and returns err. Nobody is
// told what could not be recorded.
func (c *call) noted(ctx context.Context, result string, err error) error {
	if c.key.ID == "" || c.Tallied(c.key, err) {
		return err // whoever has no key cannot fill the trail
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		if result = r.text; r.why != "" {
			result += ": " + r.why
		}
	} else if err != nil {
		status, text := words(err)
		if result = text; text == "" {
			result = http.StatusText(status)
		}
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(c.request.URL.Path, "/api/"), "/")
	// A caller that has gone leaves a record all the same.
	if _, failed := c.Record(context.WithoutCancel(ctx), c.key, path, c.person, result, c.scores); failed != nil {
		if err == nil {
			return failed
		}
		c.Log.WarnContext(ctx, "call not recorded", logkey.Error, failed)
	}
	return err
}

// words gives an error of the service those of this API. A body that is too large has none.
func words(err error) (status int, text string) {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		e = &api.Error{Err: err}
	}
	switch e.Code {
	case api.NoKey, api.UnknownKey, api.NoScope:
		return http.StatusUnauthorized, "invalid api key"
	case api.Malformed, api.Missing:
		return http.StatusBadRequest, "invalid request body"
	case api.TooLarge:
		return http.StatusRequestEntityTooLarge, ""
	case api.NotFound:
		return http.StatusNotFound, "not found"
	case api.TooMany:
		return http.StatusTooManyRequests, "too many requests"
	case api.Busy:
		return http.StatusServiceUnavailable, "service unavailable"
	case api.MethodNotAllowed:
		return http.StatusMethodNotAllowed, "method not allowed"
	}
	return http.StatusInternalServerError, "internal error"
}

// fail answers with an error.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if own, ok := errors.AsType[*refusal](err); ok {
		name := "error"
		if own.message {
			name = "message"
		}
		api.JSON(w, own.status, map[string]string{name: own.text})
		return
	}
	status, text := words(err)
	if e, ok := errors.AsType[*api.Error](err); ok {
		if e.Allow != "" {
			w.Header().Set("Allow", e.Allow)
		}
		if e.RetryAfter > 0 {
			api.RetryAfter(w, e.RetryAfter)
		}
	}
	switch status {
	case http.StatusRequestEntityTooLarge:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("Request Entity Too Large")) // the caller may have gone
		return
	case http.StatusInternalServerError:
		h.Log.ErrorContext(r.Context(), "call failed", logkey.Path, r.URL.Path, logkey.Error, err)
	}
	api.JSON(w, status, map[string]string{"error": text})
}

// owner is whose lists the call sees.
func (c *call) owner() string {
	if c.key.Project == "" {
		return "key " + c.key.ID
	}
	return "project " + c.key.Project
}

// ctx is the context of the call.
func (c *call) ctx() context.Context { return c.request.Context() }
