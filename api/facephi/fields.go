package facephi

import (
	"encoding/json"
	"strings"
	"unicode"

	"facegate/api"
)

// fields are the members of a body, not looked into yet.
type fields struct {
	members map[string]json.RawMessage
	object  *api.Object
}

func readFields(o *api.Object) (fields, error) {
	f := fields{object: o}
	err := o.Decode(&f.members)
	return f, err
}

// has reports whether a member is there and neither null nor "".
func (f fields) has(name string) bool {
	v, ok := f.members[name]
	return ok && string(v) != "null" && string(v) != `""`
}

// long is a member that is a string.
func (f fields) long(name string) (s api.Long, ok bool) {
	if !f.has(name) {
		return "", false
	}
	err := json.Unmarshal(f.members[name], &s)
	return s, err == nil
}

// text is a member that is a string of no great length.
func (f fields) text(name string) (string, bool) {
	s, ok := f.long(name)
	if !ok {
		return "", false
	}
	return f.object.Short(s)
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

// bytes is a member in base64, which can be read once; errs gains what is wrong with it.
func (f fields) bytes(name string, errs *[]string) []byte {
	if !f.has(name) {
		return nil
	}
	s, ok := f.long(name)
	b, err := f.object.Base64(s, api.MaxBody)
	if !ok || err != nil || len(b) == 0 {
		*errs = append(*errs, name+" is not valid base64")
		return nil
	}
	return b
}

// userID is the member of that name; errs gains what is wrong with it.
func (f fields) userID(errs *[]string) string {
	id, ok := f.text("userId")
	digits := 0
	for _, r := range id {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	switch _, text := f.long("userId"); {
	case text && !ok:
		*errs = append(*errs, "userId is too long")
	case f.has("userId") && digits < 2:
		*errs = append(*errs, "userId must contain at least two digits")
	}
	return id
}

// maxNote bounds what a caller may have noted in the audit trail, in bytes.
const maxNote = 128

// notes are the caller's own marks of a call, for the audit trail; errs gains what is of a wrong
// type. A text that is too long is not noted.
func (f fields) notes(data map[string]string, errs *[]string) {
	tracking := fields{object: f.object}
	if f.has("tracking") && json.Unmarshal(f.members["tracking"], &tracking.members) != nil {
		tracking.members = nil
		*errs = append(*errs, "tracking must be an object")
	}
	for _, n := range []struct {
		in   fields
		from string
		to   string
	}{{f, "merchantReferenceId", "reference"}, {tracking, "extraData", "extra"}, {tracking, "operationId", "operation"}} {
		if _, ok := n.in.long(n.from); n.in.has(n.from) && !ok {
			*errs = append(*errs, n.from+" must be a string")
		}
		if s, ok := n.in.text(n.from); ok && len(s) <= maxNote && !strings.ContainsFunc(s, unicode.IsControl) {
			data[n.to] = s
		}
	}
}
