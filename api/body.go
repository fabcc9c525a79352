package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Limits of bodies.
const (
	MaxBody  = 10 << 20 // bytes, of every API that does not say otherwise
	maxDepth = 32       // of JSON
)

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

// Decode reads one JSON object into v: fields it does not know are ignored; fields that occur
// twice, text behind the object, invalid UTF-8 and nesting beyond 32 are refused. The error is
// an [*Error] of code Malformed.
func Decode(body []byte, v any) error {
	if err := check(body); err != nil {
		return &Error{Code: Malformed, Detail: "body is not valid JSON", Err: err}
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &Error{Code: Malformed, Detail: "body is not valid JSON", Err: err}
	}
	return nil
}

// check walks over JSON without keeping it.
func check(body []byte) error {
	if !json.Valid(body) || !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return errors.New("not one JSON object")
	}
	if !validText(body) {
		return errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil: an array
		value bool            // a name was read
	}
	var open []level
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if d, ok := t.(json.Delim); ok {
			switch d {
			case '{', '[':
				if len(open) > 0 {
					open[len(open)-1].value = false
				}
				if len(open) == maxDepth {
					return fmt.Errorf("deeper than %d", maxDepth)
				}
				l := level{}
				if d == '{' {
					l.names = make(map[string]bool)
				}
				open = append(open, l)
			default:
				open = open[:len(open)-1]
			}
			continue
		}
		if len(open) == 0 {
			continue
		}
		top := &open[len(open)-1]
		if top.names == nil || top.value {
			top.value = false
			continue
		}
		name, _ := t.(string)
		if top.names[name] {
			return fmt.Errorf("%q occurs twice", name)
		}
		top.names[name], top.value = true, true
	}
}

// validText reports whether b is UTF-8: encoding/json would silently replace what is not.
func validText(b []byte) bool { return strings.ToValidUTF8(string(b), "") == string(b) }

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
