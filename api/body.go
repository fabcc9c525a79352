package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// MaxBody is how many bytes a body may have, of every API that does not say otherwise.
const MaxBody = 10 << 20

// ReadBody reads a body of at most limit bytes. The error is an [*Error] of code TooLarge, also
// before anything is read where the length is announced, or Malformed.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, &Error{Code: TooLarge}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, &Error{Code: Malformed, Detail: "the body ends early", Err: err}
	}
	if int64(len(body)) > limit {
		return nil, &Error{Code: TooLarge}
	}
	return body, nil
}

// ErrBase64 means that a text is not base64.
var ErrBase64 = errors.New("not base64")

// JSON answers with a compact JSON body.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone
}
