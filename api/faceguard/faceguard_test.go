package faceguard_test

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api/apitest"
	"facegate/api/faceguard"
	"facegate/store"
)

// Bodies of the errors, word for word.
const (
	badRequest   = `{"status_code":400,"message":"Bad Request: missing required field or malformed JSON","data":null}`
	unauthorized = `{"status_code":401,"message":"Unauthorized: invalid or missing API key / token","data":null}`
	forbidden    = `{"status_code":403,"message":"Forbidden: valid key but insufficient permissions","data":null}`
	notFound     = `{"status_code":404,"message":"Not Found: customer, session, or resource not found","data":null}`
	tooMany      = `{"status_code":429,"message":"Too Many Requests: rate limit exceeded","data":null}`
	internal     = `{"status_code":500,"message":"Internal Server Error","data":null}`
)

// A client is a host with a key, and its customers' browsers.
type client struct {
	t   testing.TB
	s   *apitest.Server
	key string
}

// newClient starts a server with the customers user_a, whose base photo is A's, and user_new,
// who has none, and the workflow "door".
func newClient(t testing.TB, o apitest.Options) *client {
	s := apitest.New(t, faceguard.Register, o)
	setWorkflow(t, s, "door", faceguard.Workflow{Threshold: 80, Attempts: 2, Origins: []string{"https://shop.example"}, Bypass: true, Liveness: "passive"})
	s.Update(t, func(tx *store.Tx) error {
		_, err := tx.AddPerson(access.Person{ID: "user_new", Name: "New"})
		return err
	})
	_, key := s.Key(t, store.Key{API: store.APIFaceguard, Name: "shop", Scopes: []string{store.ScopeAuthenticate}})
	return &client{t, s, key}
}

func setWorkflow(t testing.TB, s *apitest.Server, name string, f faceguard.Workflow) {
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	s.Update(t, func(tx *store.Tx) error {
		_, err := tx.SetProject(store.Project{API: store.APIFaceguard, Name: name, Settings: text})
		return err
	})
}

func (c *client) call(method, path, secret string, body []byte) *apitest.Answer {
	c.t.Helper()
	h := map[string]string{}
	if secret != "" {
		h["Authorization"] = "Bearer " + secret
	}
	return c.s.Call(c.t, method, path, h, body)
}

// data reads the data of an answer that must be a success.
func (c *client) data(a *apitest.Answer) map[string]any {
	c.t.Helper()
	var out struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &out); err != nil || a.Status != http.StatusOK {
		c.t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	return out.Data
}

func (c *client) text(a *apitest.Answer, name string) string {
	c.t.Helper()
	s, ok := c.data(a)[name].(string)
	if !ok {
		c.t.Fatalf("no %s in %s", name, a.Body)
	}
	return s
}

func portalBody(workflow, customer string) []byte {
	return []byte(`{"workflow_id":"` + workflow + `","customer":{"customer_id":"` + customer + `","email":"a@shop.example"}}`)
}

func (c *client) portal(customer string) string {
	c.t.Helper()
	return c.text(c.call("POST", "/faceguard/session/portal", c.key, portalBody("door", customer)), "token")
}

// begin gives the tokens of a new session.
func (c *client) begin(customer string) (portal, session string) {
	c.t.Helper()
	portal = c.portal(customer)
	return portal, c.text(c.call("POST", "/faceguard/session", portal, nil), "token")
}

func (c *client) capture(session string, frames ...[]byte) *apitest.Answer {
	c.t.Helper()
	kind, body := form(c.t, frames...)
	return c.s.Call(c.t, "POST", "/faceguard/session/capture", map[string]string{"Authorization": "Bearer " + session, "Content-Type": kind}, body)
}

func form(t testing.TB, frames ...[]byte) (kind string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i, f := range frames {
		p, err := w.CreateFormFile("frame", strconv.Itoa(i)+".jpg")
		if err == nil {
			_, err = p.Write(f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func golden(t testing.TB, a *apitest.Answer, status int, want string) {
	t.Helper()
	apitest.Golden(t, a, status, "application/json", want)
}

const inProgress = `{"type":"in_progress","stages":[{"name":"face_capture","state":"active"},{"name":"liveness","state":"pending"},{"name":"face_match","state":"pending"}]}`

// completed is the body of an answer to a session that has ended.
func completed(message, outcome, capture, liveness, match, confidence string) string {
	return `{"status_code":200,"message":"` + message + `","data":{"status":{"type":"completed","outcome":"` + outcome + `","stages":[` +
		`{"name":"face_capture","state":"` + capture + `"},{"name":"liveness","state":"` + liveness + `"},{"name":"face_match","state":"` + match + `"}],` +
		`"completed_at":"<time>"},"confidence":` + confidence + `}}`
}

// Confidences with one decimal, of whom is taken for the customer at a threshold of 80 and who is
// not.
const (
	alike  = `"<number 80 100 =1>"`
	unlike = `"<number 0 79.9 =1>"`
)

// confidence is the one that an answer has, as it is written.
func confidence(t testing.TB, a *apitest.Answer) string {
	t.Helper()
	var out struct {
		Data struct {
			Confidence json.Number `json:"confidence"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &out); err != nil || out.Data.Confidence == "" {
		t.Fatalf("no confidence in %s", a.Body)
	}
	return out.Data.Confidence.String()
}

func TestSessions(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())

	a := c.call("POST", "/faceguard/session/portal", c.key, portalBody("door", "user_a"))
	golden(t, a, 200, `{"status_code":200,"message":"Portal token created","data":{"token":"<string>","customer_id":"user_a"}}`)
	portal := c.text(a, "token")
	if !strings.HasPrefix(portal, "eyJ0eXAiOiJKV1Qi") {
		t.Errorf("the token begins %.20q, not as the original's", portal)
	}
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 404, notFound) // there is none yet

	a = c.call("POST", "/faceguard/session", portal, nil)
	golden(t, a, 200, `{"status_code":200,"message":"Session created","data":{"session_id":"<string>","token":"<string>","status":`+inProgress+`}}`)
	id, session := c.text(a, "session_id"), c.text(a, "token")
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, `{"status_code":200,"message":"Session status","data":{"status":`+inProgress+`}}`)

	// A page that is loaded anew goes on with the session it had.
	if again := c.text(c.call("POST", "/faceguard/session", portal, nil), "session_id"); again != id {
		t.Errorf("another session %s of the portal token, whose is %s", again, id)
	}

	golden(t, c.capture(session, f.None(), f.None(), f.None()), 200, `{"status_code":200,"message":"Capture","data":{"status":`+inProgress+`,"hint":"no_face"}}`)
	a = c.capture(session, f.A2(), f.A3(), f.A4())
	golden(t, a, 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, completed("Session status", "passed", "passed", "passed", "passed", confidence(t, a)))
	// What ended has ended.
	golden(t, c.capture(session, f.B1(), f.B1(), f.B1()), 200, completed("Capture", "passed", "passed", "passed", "passed", confidence(t, a)))

	if n := c.s.Door.Unlocked(); n != 0 {
		t.Errorf("the door was unlocked %d times by posted pictures", n)
	}
}

func TestFailedSessions(t *testing.T) {
	f := apitest.NewFaces(t)
	for _, tt := range []struct {
		name   string
		frames [][]byte
		want   string
	}{
		{"another person", [][]byte{f.B1(), f.B2(), f.B1()}, completed("Capture", "failed", "passed", "passed", "failed", unlike)},
		{"a screen that shows the person", [][]byte{f.Spoof(), f.Spoof(), f.Spoof()}, completed("Capture", "failed", "passed", "failed", "pending", "0.0")},
		{"a screen between live frames of another", [][]byte{f.B1(), f.Spoof(), f.B2()}, completed("Capture", "failed", "passed", "passed", "failed", unlike)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, apitest.Options{})
			c.s.Enrol(t, "user_a", f.A1())
			portal, session := c.begin("user_a")
			a := c.capture(session, tt.frames...)
			golden(t, a, 200, tt.want)
			status := strings.NewReplacer("Capture", "Session status", unlike, confidence(t, a))
			golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, status.Replace(tt.want))
			if log := c.s.Log.String(); strings.Contains(log, portal) || strings.Contains(log, session) {
				t.Error("a token is in the log")
			}
			events := c.s.Events(t)
			last := events[len(events)-2]
			if last.Data["call"] != "post session/capture" || last.Data["result"] != "failed" || last.Person != "user_a" || last.Source != "api:shop" {
				t.Errorf("the capture is recorded as %s", last.Line())
			}
			if spoof := strings.Contains(tt.want, `"liveness","state":"failed"`); spoof != (last.Scores.Match == nil) {
				t.Errorf("a screen: %v; the similarity that was recorded: %v", spoof, last.Scores.Match)
			}
		})
	}
	t.Run("attempts used", func(t *testing.T) {
		c := newClient(t, apitest.Options{})
		c.s.Enrol(t, "user_a", f.A1())
		_, session := c.begin("user_a")
		golden(t, c.capture(session, f.Blur(), f.Small(), f.Small()), 200, `{"status_code":200,"message":"Capture","data":{"status":`+inProgress+`,"hint":"face_too_small"}}`)
		golden(t, c.capture(session, f.A2(), f.A3(), f.Closed()), 200, completed("Capture", "failed", "failed", "pending", "pending", "0.0"))
	})
}

func TestBypass(t *testing.T) {
	c := newClient(t, apitest.Options{})
	until := time.Now().Add(time.Hour)
	c.s.Update(t, func(tx *store.Tx) error {
		_, err := tx.ChangePerson("user_new", "bypass granted", func(p *access.Person) error {
			p.Bypass = &access.Bypass{Since: tx.Now().Add(-time.Minute), Until: until, Reason: "new glasses", Author: "admin:test"}
			return nil
		})
		return err
	})
	bypassed := `{"type":"bypassed","expires_at":"` + until.UTC().Format("2006-01-02T15:04:05Z") + `","completed_at":"<time>"}`
	portal := c.portal("user_new")
	golden(t, c.call("POST", "/faceguard/session", portal, nil), 200, `{"status_code":200,"message":"Session created","data":{"session_id":"<string>","token":"<string>","status":`+bypassed+`}}`)
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, `{"status_code":200,"message":"Session status","data":{"status":`+bypassed+`}}`)

	c.s.Clock.SetUnsure(true)
	golden(t, c.call("POST", "/faceguard/session", c.portal("user_new"), nil), 200, `{"status_code":200,"message":"Session created","data":{"session_id":"<string>","token":"<string>","status":`+inProgress+`}}`)
	c.s.Clock.SetUnsure(false)
	setWorkflow(t, c.s, "door", faceguard.NewWorkflow())
	golden(t, c.call("POST", "/faceguard/session", c.portal("user_new"), nil), 200, `{"status_code":200,"message":"Session created","data":{"session_id":"<string>","token":"<string>","status":`+inProgress+`}}`)
}

func TestErrors(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	_, reader := c.s.Key(t, store.Key{API: store.APIFaceguard, Scopes: []string{store.ScopeRead}})
	_, other := c.s.Key(t, store.Key{API: store.APIBaf, Scopes: []string{store.ScopeAuthenticate}})
	_, elsewhere := c.s.Key(t, store.Key{API: store.APIFaceguard, Project: "elsewhere", Scopes: []string{store.ScopeAuthenticate}})
	portal, session := c.begin("user_a")
	forged := portal[:len(portal)-4] + "AAAA"
	workflow, err := c.s.DB.Project(t.Context(), store.APIFaceguard, "door")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := faceguard.ExpiredPortalToken(workflow)
	if err != nil {
		t.Fatal(err)
	}
	const path = "/faceguard/session/portal"
	good := portalBody("door", "user_a")

	for _, tt := range []struct {
		name, method, path, secret string
		body                       []byte
		status                     int
		want                       string
	}{
		{"no customer", "POST", path, c.key, []byte(`{"workflow_id":"door","customer":{}}`), 400, badRequest},
		{"no workflow", "POST", path, c.key, []byte(`{"customer":{"customer_id":"user_a"}}`), 400, badRequest},
		{"half an object", "POST", path, c.key, []byte(`{`), 400, badRequest},
		{"nothing", "POST", path, c.key, nil, 400, badRequest},
		{"wrong type", "POST", path, c.key, []byte(`{"workflow_id":1,"customer":{"customer_id":"user_a"}}`), 400, badRequest},
		{"wrong type of what is not needed", "POST", path, c.key, []byte(`{"workflow_id":"door","customer":{"customer_id":"user_a","email":{}}}`), 400, badRequest},
		{"deep", "POST", path, c.key, nested(33), 400, badRequest},
		{"two objects", "POST", path, c.key, append(portalBody("door", "user_a"), "{}"...), 400, badRequest},
		{"a name twice", "POST", path, c.key, []byte(`{"workflow_id":"door","workflow_id":"door","customer":{"customer_id":"user_a"}}`), 400, badRequest},
		{"not UTF-8", "POST", path, c.key, []byte("{\"workflow_id\":\"door\",\"customer\":{\"customer_id\":\"\xff\"}}"), 400, badRequest},
		{"too long", "POST", path, c.key, append(portalBody("door", "user_a"), bytes.Repeat([]byte(" "), 10<<20)...), 400, badRequest},
		{"no key", "POST", path, "", good, 401, unauthorized},
		{"unknown key", "POST", path, "nope", good, 401, unauthorized},
		{"key of another API", "POST", path, other, good, 401, unauthorized},
		{"portal token for a key", "POST", path, portal, good, 401, unauthorized},
		{"key for a portal token", "POST", "/faceguard/session", c.key, nil, 401, unauthorized},
		{"session token for a portal token", "GET", "/faceguard/session/status", session, nil, 401, unauthorized},
		{"portal token for a session token", "POST", "/faceguard/session/capture", portal, nil, 401, unauthorized},
		{"forged token", "GET", "/faceguard/session/status", forged, nil, 401, unauthorized},
		{"expired token", "GET", "/faceguard/session/status", expired, nil, 401, unauthorized},
		{"no token", "GET", "/faceguard/session/status", "", nil, 401, unauthorized},
		{"scope read only", "POST", path, reader, good, 403, forbidden},
		{"key of another workflow", "POST", path, elsewhere, good, 403, forbidden},
		{"unknown customer", "POST", path, c.key, portalBody("door", "nobody"), 404, notFound},
		{"unknown workflow", "POST", path, c.key, portalBody("nowhere", "user_a"), 404, notFound},
		{"no code", "GET", "/faceguard/short-code", "", nil, 400, badRequest},
		{"unknown code", "GET", "/faceguard/short-code?code=ABCDEFGH", "", nil, 404, notFound},
		{"not a code", "GET", "/faceguard/short-code?code=0", "", nil, 404, notFound},
		{"no form", "POST", "/faceguard/session/capture", session, []byte("x"), 400, badRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := c.call(tt.method, tt.path, tt.secret, tt.body)
			golden(t, a, tt.status, tt.want)
		})
	}
	t.Run("method", func(t *testing.T) {
		a := c.call("PATCH", "/faceguard/short-code", portal, nil)
		golden(t, a, 405, `{"status_code":405,"message":"Method Not Allowed","data":null}`)
		if allow := a.Header.Get("Allow"); allow != "GET, POST, PUT" {
			t.Errorf("Allow: %s", allow)
		}
	})
	t.Run("as deep as may be, and names that nobody knows", func(t *testing.T) {
		golden(t, c.call("POST", path, c.key, nested(32)), 200, `{"status_code":200,"message":"Portal token created","data":{"token":"<string>","customer_id":"user_a"}}`)
	})
	t.Run("no base photo", func(t *testing.T) {
		_, session := c.begin("user_new")
		golden(t, c.capture(session, f.A2(), f.A3(), f.A4()), 404, notFound)
	})
}

// nested is a good body for a portal token, with something in it that makes it so many levels deep.
func nested(levels int) []byte {
	return []byte(`{"workflow_id":"door","customer":{"customer_id":"user_a"},"more":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + "}")
}

// The page is told whom it may talk to, and whether there is a photo to compare with.
func TestConfiguration(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	setWorkflow(t, c.s, "other", faceguard.Workflow{Threshold: 80, Attempts: 2, Origins: []string{"https://other.example"}, Liveness: "passive"})
	config := func(customer string) *apitest.Answer {
		return c.call("GET", "/faceguard/app/config", c.portal(customer), nil)
	}
	golden(t, config("user_a"), 200, `{"status_code":200,"message":"Configuration","data":{"origins":["https://shop.example"],"base_photo":true}}`)
	golden(t, config("user_new"), 200, `{"status_code":200,"message":"Configuration","data":{"origins":["https://shop.example"],"base_photo":false}}`)
	c.s.Update(t, func(tx *store.Tx) error { _, err := tx.RemoveTemplates("user_a"); return err })
	golden(t, config("user_a"), 200, `{"status_code":200,"message":"Configuration","data":{"origins":["https://shop.example"],"base_photo":false}}`)
	setWorkflow(t, c.s, "door", faceguard.NewWorkflow())
	golden(t, config("user_a"), 200, `{"status_code":200,"message":"Configuration","data":{"origins":[],"base_photo":false}}`)
}

func TestShortCode(t *testing.T) {
	f := apitest.NewFaces(t)
	c := newClient(t, apitest.Options{})
	c.s.Enrol(t, "user_a", f.A1())
	portal := c.portal("user_a")
	a := c.call("POST", "/faceguard/short-code", portal, nil)
	golden(t, a, 200, `{"status_code":200,"message":"Short code created","data":{"code":"<string>","expires_at":"<time>"}}`)
	first := c.text(a, "code")
	second := c.text(c.call("PUT", "/faceguard/short-code", portal, nil), "code")
	golden(t, c.call("GET", "/faceguard/short-code?code="+first, "", nil), 404, notFound)
	a = c.call("GET", "/faceguard/short-code?code="+strings.ToLower(second), "", nil)
	golden(t, a, 200, `{"status_code":200,"message":"Short code redeemed","data":{"token":"<string>"}}`)
	golden(t, c.call("GET", "/faceguard/short-code?code="+second, "", nil), 404, notFound)
	a = c.capture(c.text(a, "token"), f.A2(), f.A3(), f.A4())
	golden(t, a, 200, completed("Capture", "passed", "passed", "passed", "passed", alike))
	golden(t, c.call("GET", "/faceguard/session/status", portal, nil), 200, completed("Session status", "passed", "passed", "passed", "passed", confidence(t, a)))
	if len(first) != 8 || len(second) != 8 || first == second {
		t.Errorf("codes %q and %q", first, second)
	}
}
