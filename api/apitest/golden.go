package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// Golden compares an answer with what a contract says: status, content type and body. Of JSON
// white space and the order of members do not count; every string, number, boolean and null
// does. In want a string such as "<uuid>" stands for any value of its kind:
//
//	<uuid>            a version 4 UUID
//	<digits>          a string of digits
//	<time>            UTC in RFC 3339
//	<time ms>         the same with three decimals of the second
//	<base64>          a string of base64 that is not empty
//	<string>          a string that is not empty
//	<number>          a number
//	<number 0.8 1 4>  a number from 0.8 to 1 with at most four decimals; with =4, just four
//	<any>             anything but null
//
// An answer that is no JSON is compared byte by byte. Of headers an answer has what every one
// must: one that is told to wait says for how long, and one to a wrong method which are right.
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
	wait, err := strconv.Atoi(got.Header.Get("Retry-After"))
	if told := err == nil && wait > 0; told != (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && status != http.StatusGatewayTimeout {
		tb.Errorf("status %d, retry after %q", status, got.Header.Get("Retry-After"))
	}
	if a := got.Header.Get("Allow"); (a != "") != (status == http.StatusMethodNotAllowed) {
		tb.Errorf("status %d, allow %q", status, a)
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
	var compact bytes.Buffer
	if err := json.Compact(&compact, got.Body); err != nil || !bytes.Equal(compact.Bytes(), got.Body) {
		tb.Errorf("body %q is not compact", short(got.Body))
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
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind it")
	}
	return nil
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
	n, isNumber := v.(json.Number)
	if limits, ok := strings.CutPrefix(placeholder, "<number "); ok {
		return isNumber && within(n, strings.TrimSuffix(limits, ">"))
	}
	pattern := func(p string) bool { return isText && regexp.MustCompile(p).MatchString(s) }
	switch placeholder {
	case "<uuid>":
		return pattern(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	case "<digits>":
		return pattern(`^[0-9]+$`)
	case "<time>":
		return pattern(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
	case "<time ms>":
		return pattern(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
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

// within reports whether a number is in limits such as "0.8 1 4".
func within(n json.Number, limits string) bool {
	var low, high float64
	var decimals string
	if _, err := fmt.Sscan(limits, &low, &high, &decimals); err != nil {
		return false
	}
	exact := strings.HasPrefix(decimals, "=")
	want, err := strconv.Atoi(strings.TrimPrefix(decimals, "="))
	x, xerr := n.Float64()
	_, part, _ := strings.Cut(n.String(), ".")
	if err != nil || xerr != nil || strings.ContainsAny(n.String(), "eE") || len(part) > want || exact && len(part) != want {
		return false
	}
	return x >= low && x <= high
}
