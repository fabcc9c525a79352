package baf

import (
	"errors"
	"fmt"
	"net/http"

	"facegate/api"
	"facegate/internal/logkey"
	"facegate/store"
)

// A fault is an error of the original's table, of HTTP status 400. Codes are not unique, messages
// are.
type fault struct {
	code    int
	message string
}

func (f *fault) Error() string { return f.message }

func completed(applicant string) error {
	return &fault{120036, fmt.Sprintf(`Request "%s" was already completed`, applicant)}
}

func exhausted(applicant string) error {
	return &fault{120037, fmt.Sprintf(`All available attempts were used for requestId "%s"`, applicant)}
}

func imageEmpty() error         { return &fault{120038, "Face image is empty"} }
func noFaces() error            { return &fault{120038, "No faces found"} }
func multipleFaces() error      { return &fault{120038, "Multiple faces found"} }
func searchMissing() error      { return &fault{120039, "Profile search is missing"} }
func qualityFailed() error      { return &fault{120039, "Quality calculation failed"} }
func livenessFailed() error     { return &fault{120039, "Liveness calculation failed"} }
func requestClosed() error      { return &fault{120040, "Request is closed"} }
func unsupported() error        { return &fault{120041, "This document type is not supported"} }
func imageRequired() error      { return &fault{120042, "Face image is required"} }
func noVerifiedFace() error     { return &fault{120043, "Applicant doesn't have verified face"} }
func profileNotFound() error    { return &fault{120043, "Applicant profile not found"} }
func invalidEndeavor() error    { return &fault{120044, "Invalid endeavor info"} }
func ownFailure() (int, string) { return 120029, `Graphql error: "internal error"` }

// A missing is an applicant that does not exist.
type missing struct{ applicant string }

func (m *missing) Error() string {
	return fmt.Sprintf("Validation Request %s not found", m.applicant)
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// told is the status, code and message that an error is told as.
func told(err error) (code int, message string, status int) {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.code, f.message, http.StatusBadRequest
	}
	if m, ok := errors.AsType[*missing](err); ok {
		return http.StatusNotFound, m.Error(), http.StatusNotFound
	}
	if errors.Is(err, store.ErrNoConsent) {
		// Whoever made the key has not vouched for the consent of those it would enrol.
		return http.StatusForbidden, http.StatusText(http.StatusForbidden), http.StatusForbidden
	}
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code == api.Internal {
		code, message = ownFailure()
		return code, message, http.StatusBadRequest
	}
	status = e.Code.Status()
	return status, http.StatusText(status), status
}

func (h *handlers) fail(w http.ResponseWriter, r *http.Request, err error) {
	code, message, status := told(err)
	if e, ok := errors.AsType[*api.Error](err); ok {
		if e.Allow != "" {
			w.Header().Set("Allow", e.Allow)
		}
		if e.Code == api.TooMany || e.Code == api.Busy {
			api.RetryAfter(w, e.RetryAfter)
		}
	}
	if own, _ := ownFailure(); code == own {
		h.Log.ErrorContext(r.Context(), "call failed", logkey.Path, r.URL.Path, logkey.Error, err)
	}
	api.JSON(w, status, failure{code, message})
}
