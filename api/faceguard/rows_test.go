package faceguard_test

import (
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/faceguard"
	"facegate/store"
)

func (c *client) forgetTries() { c.s.Service.Keys = api.NewKeys(c.s.DB) }

// What is wrong with the pictures of a capture is said, and the page asks again.
func TestHints(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	setWorkflow(t, c.s, "door", faceguard.Workflow{Threshold: 80, Attempts: 20, Liveness: "passive"})
	_, session := c.begin("user_a")
	for hint, pictures := range map[string][][]byte{
		"no_face": {f.None()}, "several_faces": {f.Many()}, "face_too_small": {f.Small()}, "face_too_close": {f.Close()}, "near_border": {f.Border()}, "cropped": {f.Cut()},
		"angle": {f.Turn30(), f.Turn50()}, "dark": {f.Dark()}, "bright": {f.Bright()}, "blurred": {f.Blur()}, "occluded": {f.Occluded()}, "eyes_closed": {f.Closed()},
	} {
		for _, p := range pictures {
			c.forgetTries()
			golden(t, c.capture(session, p, p, p), 200, `{"status_code":200,"message":"Capture","data":{"status":`+inProgress+`,"hint":"`+hint+`"}}`)
		}
	}
	for name, p := range map[string][]byte{"a pixel": f.OnePixel(), "CMYK": f.CMYK(), "16 bits": f.Sixteen(), "huge": f.Huge(), "WebP": f.WebP(), "TIFF": f.TIFF(), "HEIC": f.HEIC(), "GIF": f.GIF(), "too many pixels": f.Over(), "too narrow": f.Thin()} {
		c.forgetTries()
		if golden(t, c.capture(session, f.A2(), p, f.A3()), 400, badRequest); t.Failed() {
			t.Fatal(name)
		}
	}
	c.forgetTries()
	golden(t, c.capture(session, f.PNG(), f.Turned(), f.A3()), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
}

// A face that cannot be aligned is asked for again; other stages that fail are a failure of ours.
func TestBrokenModels(t *testing.T) {
	f := apitest.NewFaces(t)
	whole := apitest.New(t, faceguard.Register, apitest.Options{})
	enrolled := whole.Look(t, f.A1()).Template
	for role, want := range map[string]string{"mesh": "", "embed_foamliu": internal, "detect_full": internal, "parsing": internal, "iris": internal, "live_40": internal} {
		t.Run(role, func(t *testing.T) {
			c := newClient(t, apitest.Options{Broken: []string{role}})
			c.s.Update(t, func(tx *store.Tx) error {
				if _, err := tx.AddPerson(access.Person{ID: "user_a", Consent: &access.Consent{Text: "1", At: tx.Now()}}); err != nil {
					return err
				}
				_, err := tx.AddTemplate(store.Template{Person: "user_a", Model: enrolled.Model, Vector: enrolled.Vector})
				return err
			})
			_, session := c.begin("user_a")
			got := c.capture(session, f.A2(), f.A3(), f.A4())
			if want == "" {
				golden(t, got, 200, `{"status_code":200,"message":"Capture","data":{"status":`+inProgress+`}}`)
				return
			}
			golden(t, got, 500, want)
		})
	}
}

// A liveness model that the site may not use any more is not used, and takes no try from the customer.
func TestLicence(t *testing.T) {
	f := apitest.NewFaces(t)
	for name, o := range map[string]apitest.Options{
		"ended": {Ended: []string{"live_40"}}, "of another tenant": {Foreign: []string{"live_27", "live_se18"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, o)
			c.s.Enrol(t, "user_a", f.A1())
			portal, session := c.begin("user_a")
			for range 3 { // one more than there are tries
				golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 500, internal)
			}
			golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, `{"status_code":200,"message":"Session status","data":{"status":`+inProgress+`}}`)
		})
	}
}

// A workflow has a threshold of its own, and what was refused never reads as it.
func TestThreshold(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	setWorkflow(t, c.s, "door", faceguard.Workflow{Threshold: 99.9, Attempts: 1, Liveness: "passive"})
	_, session := c.begin("user_a")
	golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 200, completed("Capture", "failed", "passed", "passed", "failed", `"<number 80 99.8 =1>"`))
	setWorkflow(t, c.s, "door", faceguard.NewWorkflow())
	_, session = c.begin("user_a")
	golden(t, c.capture(session, f.B1(), f.B2(), f.B1()), 200, completed("Capture", "failed", "passed", "passed", "failed", unlike))
	_, session = c.begin("user_a")
	c.forgetTries()
	golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
}

// A token may be used as often as a key, and a code guessed five times a minute.
func TestLimits(t *testing.T) {
	c := newClient(t, apitest.Options{})
	portal, _ := c.begin("user_new")
	var got *apitest.Answer
	for range 200 { // 20 are let pass at once, and as many as the machine is slow
		if got = c.call("GET", "/faceguard/session/status", portal, nil); got.Status != 200 {
			break
		}
	}
	golden(t, got, 429, tooMany)
	began := time.Now()
	for range 5 {
		golden(t, c.call("GET", "/faceguard/short-code?code=ABCDEFGH", "", nil), 404, notFound)
	}
	c.s.Spent(t, c.s.Service.Keys.TryOther, "at 127.0.0.1/32", began)
	got = c.call("GET", "/faceguard/short-code?code=HGFEDCBA", "", nil)
	golden(t, got, 429, tooMany)
}

// What browsers load says how it may be used.
func TestPages(t *testing.T) {
	c := newClient(t, apitest.Options{})
	for path, kind := range map[string]string{
		"/faceguard/sdk.js": "text/javascript; charset=utf-8", "/faceguard/app.js": "text/javascript; charset=utf-8", "/faceguard/words.js": "text/javascript; charset=utf-8", "/faceguard/app.css": "text/css; charset=utf-8",
		"/faceguard/app": "text/html; charset=utf-8", "/faceguard/qr?code=ABCDEFGH": "image/svg+xml",
	} {
		a := c.s.Call(t, "GET", path, nil, nil)
		if a.Status != 200 || a.Header.Get("Content-Type") != kind || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
		path, _, _ = strings.Cut(path, "?")
		golden(t, c.s.Call(t, "POST", path, nil, nil), 405, `{"status_code":405,"message":"Method Not Allowed","data":null}`)
	}
	app := c.s.Call(t, "GET", "/faceguard/app", nil, nil)
	if csp := app.Header.Get("Content-Security-Policy"); csp != "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors https://shop.example" {
		t.Errorf("content security policy %q", csp)
	}
	golden(t, c.s.Call(t, "GET", "/faceguard/nothing", nil, nil), 404, notFound)
}

// A bypass is an event when it is used.
func TestBypassIsRecorded(t *testing.T) {
	c := newClient(t, apitest.Options{})
	c.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.ChangePerson("user_new", "bypass granted", func(p *access.Person) error {
			p.Bypass = &access.Bypass{Since: tx.Now().Add(-time.Minute), Until: tx.Now().Add(time.Hour), Reason: "new glasses", Author: "admin:test"}
			return nil
		})
		return err
	})
	c.begin("user_new")
	used := 0
	for _, e := range c.s.Events(t) {
		if e.Person == "user_new" && e.Source == "api:shop" && e.Data["result"] == "bypassed" {
			used++
		}
	}
	if used != 1 {
		t.Errorf("the use of the bypass is recorded %d times", used)
	}
}
