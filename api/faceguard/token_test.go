package faceguard

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/http/httptest"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

func TestTokens(t *testing.T) {
	const holds = 30 * time.Minute
	now := time.Unix(1_767_600_000, 0)
	ours, other := store.Project{Name: "door", Secret: "a secret"}, store.Project{Name: "door", Secret: "another"}
	made := claims{Type: portalToken, Issuer: "door", ID: "x", IssuedAt: now.Unix(), Expires: now.Add(holds).Unix()}
	token, err := made.sign(ours)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token, typ string
		project          store.Project
		at               time.Time
		taken            bool
	}{
		{"as made", token, portalToken, ours, now, true},
		{"in its last second", token, portalToken, ours, now.Add(holds - time.Second), true},
		{"expired", token, portalToken, ours, now.Add(holds), false},
		{"another type", token, sessionToken, ours, now, false},
		{"another secret", token, portalToken, other, now, false},
		{"cut", token[:len(token)-2], portalToken, ours, now, false},
		{"longer", token + "A", portalToken, ours, now, false},
	} {
		c, err := unverified(tt.token)
		if err == nil {
			err = c.verify(tt.token, tt.typ, tt.project, tt.at)
		}
		if taken := err == nil; taken != tt.taken {
			t.Errorf("%s: %v", tt.name, err)
		}
		if e, ok := errors.AsType[*api.Error](err); err != nil && (!ok || e.Code != api.UnknownKey) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil && c != made {
			t.Errorf("%s: %+v, want %+v", tt.name, c, made)
		}
	}
}

func FuzzToken(f *testing.F) {
	p := store.Project{Name: "door", Secret: "a secret"}
	c := claims{Type: portalToken, Issuer: "door", ID: "x", Expires: 1 << 40}
	token, err := c.sign(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(tokenHeader() + ".e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := unverified(text)
		if err != nil {
			return
		}
		if got.verify(text, portalToken, p, time.Unix(0, 0)) == nil && text != token {
			t.Errorf("a token that nobody signed is taken: %q", text)
		}
	})
}

func FuzzFrames(f *testing.F) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("x"); err != nil {
		f.Fatal(err)
	}
	for range 3 {
		p, err := w.CreateFormFile("frame", "a.jpg")
		if err == nil {
			_, err = p.Write([]byte("picture"))
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add("multipart/form-data; boundary=x", b.Bytes())
	f.Add("multipart/form-data", b.Bytes())
	f.Add("text/plain", []byte("frame"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		frames, err := readFrames(r, api.NewSpool(int64(len(body))))
		if _, ok := errors.AsType[*api.Error](err); err != nil && !ok {
			t.Errorf("not an error that can be told: %v", err)
		}
		if err == nil && (len(frames) < 3 || len(frames) > 8) {
			t.Errorf("%d frames", len(frames))
		}
	})
}

func FuzzPortal(f *testing.F) {
	f.Add([]byte(`{"workflow_id":"door","customer":{"customer_id":"user_a"}}`))
	f.Add([]byte(`{"workflow_id":null,"customer":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := api.NewObject(body)
		if err != nil {
			return
		}
		in, err := decodePortal(o)
		if err == nil && (in.WorkflowID == "" || in.Customer.CustomerID == "") {
			t.Errorf("taken without what it needs: %+v", in)
		}
	})
}

func TestWorkflow(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true,
		`{"threshold":100,"attempts":20,"origins":["https://shop.example","http://localhost:8080","http://127.0.0.1"],"bypass":true}`: true,
		`{"threshold":0}`:                       false,
		`{"threshold":101}`:                     false,
		`{"attempts":0}`:                        false,
		`{"attempts":21}`:                       false,
		`{"liveness":"passive"}`:                true,
		`{"liveness":"depth"}`:                  false,
		`{"tier":"depth"}`:                      false,
		`[]`:                                    false,
		`{"origins":["*"]}`:                     false,
		`{"origins":["http://shop.example"]}`:   false,
		`{"origins":["https://shop.example/"]}`: false,
		`{"origins":["https://shop.example", "https://shop.example"]}`: false,
		`{"origins":["https://shop.example; script-src *"]}`:           false,
		`{"origins":["https://a@shop.example"]}`:                       false,
		`{"origins":["https://*.example"]}`:                            false,
	} {
		_, err := ParseWorkflow([]byte(text))
		if (err == nil) != ok || err != nil && !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestVerdictOfASession(t *testing.T) {
	f := NewWorkflow()
	for _, tt := range []struct {
		name       string
		tries      int
		v          verdict
		outcome    outcome
		confidence float64
	}{
		{"at the threshold", 0, verdict{judged: true, live: true, score: .8}, passed, 80},
		{"just below it", 0, verdict{judged: true, live: true, score: .79999}, failed, 79.9},
		{"not alive", 0, verdict{judged: true}, failed, 0},
		{"not judged", 3, verdict{}, open, 0},
		{"not judged once more", 4, verdict{}, failed, 0},
	} {
		s := session{Tries: tt.tries}
		s.take(tt.v, f, time.Unix(1, 0))
		if s.Outcome != tt.outcome || s.Confidence != tt.confidence {
			t.Errorf("%s: %s with %v, want %s with %v", tt.name, s.Outcome, s.Confidence, tt.outcome, tt.confidence)
		}
	}
}
