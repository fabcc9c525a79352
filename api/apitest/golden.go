package apitest

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// Golden compares an answer with what a contract says: status, content type and body. Of JSON
// white space and the order of members do not count; every string, number, boolean and null
// does. In want a string such as "<uuid>" stands for any value of its kind:
//
//	<uuid>    a version 4 UUID
//	<digits>  a string of digits
//	<time>    UTC in RFC 3339
//	<base64>  a string of base64 that is not empty
//	<string>  a string that is not empty
//	<number>  a number
//	<any>     anything but null
//
// An answer that is no JSON is compared byte by byte.
func Golden(tb testing.TB, got *Answer, status int, contentType, want string) {
	tb.Helper()
	if got.Status != status {
		tb.Errorf("status %d, want %d: %s", got.Status, status, short(got.Body))
	}
	if t := got.Header.Get("Content-Type"); t != contentType {
		tb.Errorf("content type %q, want %q", t, contentType)
	}
	if c := got.Header.Get("Cache-Control"); c != "no-store" {
		tb.Errorf("cache control %q, want no-store", c)
	}
	if contentType != "application/json" {
		if string(got.Body) != want {
			tb.Errorf("body %q, want %q", short(got.Body), want)
		}
		return
	}
	var g, w any
	if err := decode(got.Body, &g); err != nil {
		tb.Errorf("body %q: %v", short(got.Body), err)
		return
	}
	if err := decode([]byte(want), &w); err != nil {
		tb.Fatalf("what is wanted is no JSON: %v", err)
	}
	if d := gocmp.Diff(w, settle(g, w)); d != "" {
		tb.Errorf("body differs (-want +got):\n%s", d)
	}
}

func decode(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode(v)
}

func short(b []byte) []byte { return b[:min(len(b), 500)] }

// settle is got with what fits a placeholder of want in its place.
func settle(got, want any) any {
	switch w := want.(type) {
	case string:
		if fits(got, w) {
			return w
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			for k, v := range g {
				if x, ok := w[k]; ok {
					g[k] = settle(v, x)
				}
			}
		}
	case []any:
		if g, ok := got.([]any); ok {
			for i := range min(len(g), len(w)) {
				g[i] = settle(g[i], w[i])
			}
		}
	}
	return got
}

// fits reports whether a value is of the kind that a placeholder names.
func fits(v any, placeholder string) bool {
	s, isText := v.(string)
	_, isNumber := v.(json.Number)
	pattern := func(p string) bool { return isText && regexp.MustCompile(p).MatchString(s) }
	switch placeholder {
	case "<uuid>":
		return pattern(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	case "<digits>":
		return pattern(`^[0-9]+$`)
	case "<time>":
		return pattern(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
	case "<base64>":
		return pattern(`^[A-Za-z0-9+/]+={0,2}$`)
	case "<string>":
		return isText && s != ""
	case "<number>":
		return isNumber
	case "<any>":
		return v != nil
	}
	return false
}
