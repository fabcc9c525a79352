package api

import (
	"encoding/json"
	"errors"
	"net/http"
)

// MaxBody is how many bytes a body may have, of every API that does not say otherwise.
const MaxBody = 10 << 20

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
