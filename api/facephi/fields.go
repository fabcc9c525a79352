package facephi

import (
	"encoding/json"
	"strings"
	"unicode"

	"facegate/api"
)

// fields are the members of a body, not looked into yet.
type fields map[string]json.RawMessage

func readFields(body []byte) (fields, error) {
	var f fields
	if err := api.Decode(body, &f); err != nil {
		return nil, err
	}
	return f, nil
}

// has reports whether a member is there and neither null nor "".
func (f fields) has(name string) bool {
	v, ok := f[name]
	return ok && string(v) != "null" && string(v) != `""`
}

// text is a member that is a string.
func (f fields) text(name string) (string, bool) {
	var s string
	if !f.has(name) {
		return "", false
	}
	err := json.Unmarshal(f[name], &s)
	return s, err == nil
}

// missing are the errors for the members that are absent, in the order given. Of two that stand
// for each other, separated by a bar, the first is named.
func (f fields) missing(names ...string) []string {
	var errs []string
	for _, n := range names {
		first, other, _ := strings.Cut(n, "|")
		if !f.has(first) && (other == "" || !f.has(other)) {
			errs = append(errs, first+" is required")
		}
	}
	return errs
}

// bytes is a member in base64; errs gains what is wrong with it.
func (f fields) bytes(name string, errs *[]string) []byte {
	if !f.has(name) {
		return nil
	}
	s, ok := f.text(name)
	b, err := api.Base64(s)
	if !ok || err != nil || len(b) == 0 {
		*errs = append(*errs, name+" is not valid base64")
		return nil
	}
	return b
}

// userID is the member of that name; errs gains what is wrong with it.
func (f fields) userID(errs *[]string) string {
	id, _ := f.text("userId")
	digits := 0
	for _, r := range id {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if f.has("userId") && digits < 2 {
		*errs = append(*errs, "userId must contain at least two digits")
	}
	return id
}

// maxNote bounds what a caller may have noted in the audit trail, in bytes.
const maxNote = 128

// notes are the caller's own marks of a call, for the audit trail.
func (f fields) notes(data map[string]string) {
	var tracking fields
	if json.Unmarshal(f["tracking"], &tracking) != nil {
		tracking = nil
	}
	for _, n := range []struct {
		in   fields
		from string
		to   string
	}{{f, "merchantReferenceId", "reference"}, {tracking, "extraData", "extra"}, {tracking, "operationId", "operation"}} {
		if s, ok := n.in.text(n.from); ok && len(s) <= maxNote && !strings.ContainsFunc(s, unicode.IsControl) {
			data[n.to] = s
		}
	}
}
