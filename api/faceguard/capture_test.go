package faceguard_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"testing"

	"facegate/api/apitest"
	"facegate/api/faceguard"
)

func TestCapturesThatAreNone(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	_, session := c.begin("user_a")
	golden(t, c.capture(session, f.A2(), f.Junk(), f.A4()), 400, badRequest)
	golden(t, c.capture(session, f.A2(), f.A3()), 400, badRequest)
	_, body := form(t, f.A2(), f.A3(), f.A4())
	golden(t, c.s.Call(t, "POST", "/faceguard/session/capture", map[string]string{"Authorization": "Bearer " + session, "Content-Type": "multipart/form-data"}, body), 400, badRequest)
}

// A capture has three to eight frames; one with more of them is none, and does not count.
func TestFrames(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	setWorkflow(t, c.s, "door", faceguard.Workflow{Threshold: 80, Attempts: 1, Liveness: "passive"})
	eight := [][]byte{f.A2(), f.A3(), f.A4(), f.A2(), f.A3(), f.A4(), f.A2(), f.A3()}
	for _, frames := range [][][]byte{eight[:3], eight} {
		portal, session := c.begin("user_a")
		golden(t, c.capture(session), 400, badRequest)
		c.forgetTries()
		golden(t, c.capture(session, eight[:1]...), 400, badRequest)
		golden(t, c.capture(session, eight[:2]...), 400, badRequest)
		golden(t, c.capture(session, append(eight[:8:8], f.A4())...), 400, badRequest)
		golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, `{"status_code":200,"message":"Session status","data":{"status":`+inProgress+`}}`)
		golden(t, c.capture(session, frames...), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
	}
}

// A body may have ten megabytes, whatever it is made of and whether its length is announced.
func TestLargestCapture(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	// body is a form of good frames that is filled up to a size by something else.
	body := func(size int) (kind string, body []byte) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		add := func(name string, data []byte) {
			p, err := w.CreateFormFile(name, "a.jpg")
			if err == nil {
				_, err = p.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, frame := range [][]byte{f.A2(), f.A3(), f.A4()} {
			add("frame", frame)
		}
		add("more", nil)
		end := len("\r\n--" + w.Boundary() + "--\r\n")
		b.Write(make([]byte, size-b.Len()-end))
		if err := w.Close(); err != nil || b.Len() != size {
			t.Fatalf("a body of %d bytes: %v", b.Len(), err)
		}
		return w.FormDataContentType(), b.Bytes()
	}
	for _, announced := range []bool{true, false} {
		_, session := c.begin("user_a")
		send := func(size int) *apitest.Answer {
			kind, text := body(size)
			var r io.Reader = bytes.NewReader(text)
			if !announced {
				r = io.MultiReader(r) // of which nobody knows the length
			}
			return c.send(session, kind, r)
		}
		golden(t, send(10<<20+1), 400, badRequest)
		golden(t, send(11<<20), 400, badRequest)
		golden(t, send(10<<20), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
		c.forgetTries()
	}
	// The frames themselves make it too large.
	_, session := c.begin("user_a")
	large := append(f.A2(), make([]byte, 4<<20)...)
	golden(t, c.capture(session, large, large, large), 400, badRequest)
	golden(t, c.capture(session, large, f.A3(), f.A4()), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
}

// send posts a capture whose body is read as it is sent.
func (c *client) send(session, kind string, body io.Reader) *apitest.Answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.s.URL+"/faceguard/session/capture", body)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+session)
	r.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return &apitest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: text}
}

func TestTooManyCaptures(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	_, session := c.begin("user_a")
	refused := 0
	for i := range 20 {
		a := c.capture(session, f.Junk(), f.Junk(), f.Junk())
		if i < 5 || a.Status == 400 {
			golden(t, a, 400, badRequest)
			continue
		}
		refused++
		golden(t, a, 429, tooMany)
		if s, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || s < 1 || s > 12 {
			t.Errorf("Retry-After: %q", a.Header.Get("Retry-After"))
		}
	}
	if refused < 10 {
		t.Errorf("%d of 20 captures refused", refused)
	}
}

func TestLivenessModelIsMissing(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{Broken: []string{"live_27"}})
	c.s.Enrol(t, "user_a", f.A1())
	_, session := c.begin("user_a")
	golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 500, internal)
}
