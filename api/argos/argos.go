// Package argos answers as ARGOS FaceAuth does: a picture is compared with the face of a
// submission, and masks and helmets are asked for by the thresholds of a project.
//
// A submission is an enrolled person and its id the person's. It is approved while the person
// has a face to compare with, is not blocked and valid; otherwise it is pending, rejected or
// revoked. The key names the project. An authentication is kept as a record of the project, with
// neither the picture nor anything made of it, and the project's webhook is told of it.
//
// Whether the face is alive is not judged, as the original says of itself; it is looked at for
// the audit trail only. docs/api/faceauth.md is the page for clients.
package argos

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"facegate/api"
	"facegate/internal/logkey"
	"facegate/store"
)

// Paths.
const (
	pathPost = "/faceauth"
	pathV3   = "/v3/faceauth"
)

// Register serves the API at its published paths.
func Register(mux *http.ServeMux, s *api.Service) {
	h := &handler{s}
	routes := api.Routes{Mux: mux, Fail: h.fail}
	routes.Nothing(pathPost + "/")
	routes.Nothing("/v3/")
	routes.Handle("POST "+pathPost, h.authenticate)
	routes.Handle("POST "+pathV3, h.authenticate)
	routes.Handle("GET "+pathV3, h.list)
	routes.Handle("DELETE "+pathV3, h.remove)
	routes.Handle(pathPost, h.other(http.MethodPost))
	routes.Handle(pathV3, h.other(http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost))
}

type handler struct{ *api.Service }

// other answers methods that are not served.
func (h *handler) other(allow ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, &api.Error{Code: api.MethodNotAllowed, Allow: strings.Join(allow, ", ")})
	}
}

// A failure is an error that has words of its own in this API. It is a call that could not be
// judged, not a face that was refused.
type failure struct {
	status  int
	code    string
	message string
	err     error // for the log
}

func (f *failure) Error() string {
	if f.err != nil {
		return f.code + ": " + f.err.Error()
	}
	return f.code
}

func (f *failure) Unwrap() error { return f.err }

// The failures, in the order in which they are looked for.
func errField(status int) error {
	return &failure{status, "required_field_missing", "Required field is missing", nil}
}

func errFormat(status int, err error) error {
	return &failure{status, "invalid_data_format", "Data parsing error. Please check input data.", err}
}

func errProject(status int) error {
	return &failure{status, "Invalid_projectId", "Fail to find the project data", nil}
}

func errSubmission() error {
	return &failure{http.StatusBadRequest, "Invalid_submissionId", "Fail to find the submission data", nil}
}

func errStatus() error {
	return &failure{http.StatusBadRequest, "invalid_submission_status", "The submission must be approved to process face authentication", nil}
}

func errConverting() error {
	return &failure{http.StatusBadRequest, "image_converting_error", "Image converting error", nil}
}

func errProcessing() error {
	return &failure{http.StatusBadRequest, "image_processing_error", "Image processing error", nil}
}

func errDetection(status int, err error) error {
	return &failure{status, "detection_server_error", "Cannot finish process of detecting face", err}
}

func errNoFace() error {
	return &failure{http.StatusBadRequest, "no_face", "Face is not detected", nil}
}

func errData(status int, err error) error {
	return &failure{status, "data_processing_error", "Data processing error", err}
}

// words gives an error of the service those of this API.
func words(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		e = &api.Error{Err: err}
	}
	status := e.Code.Status()
	switch e.Code {
	case api.NoKey, api.Missing:
		err = errField(status)
	case api.UnknownKey:
		err = errProject(http.StatusForbidden)
	case api.NoScope:
		err = errProject(status)
	case api.Malformed, api.TooLarge, api.MethodNotAllowed, api.NotFound:
		err = errFormat(status, err)
	case api.Busy:
		err = errDetection(status, err)
	default:
		err = errData(status, err)
	}
	f, _ := errors.AsType[*failure](err)
	return f
}

// fail answers with an error.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := words(err)
	if e, ok := errors.AsType[*api.Error](err); ok {
		if e.Allow != "" {
			w.Header().Set("Allow", e.Allow)
		}
		if e.RetryAfter > 0 {
			api.RetryAfter(w, e.RetryAfter)
		}
	}
	if f.status == http.StatusInternalServerError {
		h.Log.ErrorContext(r.Context(), "call failed", logkey.Path, r.URL.Path, logkey.Error, err)
	}
	body := map[string]string{"errorCode": f.code}
	if f.message != "" {
		body["message"] = f.message
	}
	api.JSON(w, f.status, body)
}

// key is the key of a call and whether it has a scope.
func (h *handler) key(r *http.Request, scope string) (store.Key, error) {
	return h.Keys.Authenticate(r.Context(), r.Header.Get("x-api-key"), store.APIArgos, scope, time.Now())
}
