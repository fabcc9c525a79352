package facephi_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/api/facephi"
	"facegate/fleet/lookup"
	"facegate/store"
)

const jsonType = "application/json"

// A client is somebody who has a key.
type client struct {
	*apitest.Server
	*apitest.Faces
	t      *testing.T
	secret string
}

// newClient starts a server of its own for a test.
func newClient(t *testing.T, o apitest.Options) *client {
	t.Helper()
	f := apitest.NewFaces(t)
	s := apitest.New(t, facephi.Register, o)
	_, secret := s.Key(t, store.Key{API: store.APIFacephi, Name: "shop", Scopes: []string{store.ScopeAuthenticate, store.ScopeEnrol}, Consent: "1.0"})
	return &client{s, f, t, secret}
}

func (c *client) call(method, path string, body any) *apitest.Answer {
	c.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		text = string(b)
	}
	return c.Call(c.t, method, path, map[string]string{"x-api-key": c.secret, "Content-Type": jsonType}, []byte(text))
}

func (c *client) post(path string, body any) *apitest.Answer {
	c.t.Helper()
	return c.call(http.MethodPost, path, body)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

type m = map[string]any

// enrol makes a user by the API and returns the first token.
func (c *client) enrol(user string, image, live []byte) string {
	c.t.Helper()
	a := c.post("/services/authenticateUser", m{"userId": user, "image": b64(image), "bestImageToken": b64(live)})
	var r struct {
		Code     int    `json:"serviceResultCode"`
		Template string `json:"templateRaw"`
	}
	if err := json.Unmarshal(a.Body, &r); err != nil || r.Code != 0 || r.Template == "" {
		c.t.Fatalf("not enrolled: %d %s", a.Status, a.Body)
	}
	return r.Template
}

// result is what authenticateUser answers.
func result(code int, log string, liveness, facial int, similarity string) string {
	return fmt.Sprintf(`{"serviceResultCode":%d,"serviceResultLog":%q,"serviceTime":"<digits>","serviceTransactionId":"<uuid>",`+
		`"serviceLivenessResult":%d,"serviceFacialAuthenticationResult":%d,"serviceFacialSimilarityResult":%s}`, code, log, liveness, facial, similarity)
}

const (
	yes       = "User authenticated successfully."
	notLive   = "The bestImageToken parameter does not match a living person."
	otherFace = "User authentication failed due to non-matching templateRaw."
	timedOut  = `{"message":"Endpoint request timed out"}`
)

func notBound(id string) string {
	return "The registeredTemplateRaw parameter does not match the ID: [" + id + "]"
}

// titles are the titles of problems, word for word.
func titles() map[int]string {
	return map[int]string{
		400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 413: "Request Entity Too Large",
		429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
	}
}

func problem(status int, detail string, errs ...string) string {
	p := m{"status": status, "title": titles()[status], "detail": detail, "type": fmt.Sprintf("https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/%d", status)}
	if len(errs) > 0 {
		p["errors"] = errs
	}
	b, _ := json.Marshal(p) //nolint:errchkjson // a map of text and numbers
	return string(b)
}

// The rows of authenticateUser, and of the facial codes. Five tries of a user a minute: no more
// are made here.
func TestAuthenticateUser(t *testing.T) {
	c := newClient(t, apitest.Options{})
	began := time.Now()
	a := c.post("/services/authenticateUser", m{
		"userId": "001", "image": b64(c.A1()), "bestImageToken": b64(c.A3()),
		"merchantReferenceId": "order 7", "tracking": m{"extraData": "x", "operationId": "op-1"},
	})
	first := strings.TrimSuffix(result(0, yes, 3, 3, `"<number 0.8 1 4>"`), "}") + `,"templateRaw":"<base64>"}`
	apitest.Golden(t, a, 200, jsonType, first)
	var r struct {
		Template   string  `json:"templateRaw"`
		Similarity float64 `json:"serviceFacialSimilarityResult"`
	}
	if err := json.Unmarshal(a.Body, &r); err != nil || r.Similarity < .9 || r.Similarity >= 1 {
		t.Fatalf("similarity %v of one person: %v", r.Similarity, err)
	}
	raw, err := base64.StdEncoding.DecodeString(r.Template)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	for _, tt := range []struct {
		name, user, path string
		token            string
		live             []byte
		want             string
	}{
		{"the same person", "001", "/services/authenticateUser/v2", r.Template, c.A2(), result(0, yes, 3, 3, `"<number 0.8 1 4>"`)},
		{"another id", "002", "", r.Template, c.A2(), result(-100, notBound("002"), 0, 0, "0")},
		{"one flipped bit", "001", "", b64(raw), c.A2(), result(-100, notBound("001"), 0, 0, "0")},
		{"an unknown id", "999", "", r.Template, c.A2(), result(-100, notBound("999"), 0, 0, "0")},
		{"a screen", "001", "", r.Template, c.Spoof(), result(-101, notLive, 17, 0, "0")},
		{"another person", "001", "", r.Template, c.B1(), result(-102, otherFace, 3, 1, `"<number 0 0.7999 4>"`)},
		{"a turned face", "001", "", r.Template, c.Turn30(), result(-102, otherFace, 3, 4, "0")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path
			if path == "" {
				path = "/services/authenticateUser"
			}
			apitest.Golden(t, c.post(path, m{"userId": tt.user, "registeredTemplateRaw": tt.token, "bestImageToken": b64(tt.live)}), 200, jsonType, tt.want)
		})
	}
	c.Spent(t, c.Service.Keys.Try, "001", began)
	a = c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": r.Template, "bestImageToken": b64(c.A2())})
	apitest.Golden(t, a, 429, jsonType, problem(429, "Too many requests."))
	if a.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
	c.checkTrail(t)
}

// checkTrail checks that every call is in the trail, without what must not be.
func (c *client) checkTrail(t *testing.T) {
	t.Helper()
	calls, consent := 0, false
	for _, e := range c.Events(t) {
		consent = consent || e.Kind == access.KindConsentGiven && e.Data["text"] == "1.0"
		if e.Kind == access.KindGranted {
			t.Error("a posted picture passed a door")
		}
		if e.Kind != access.KindCommandDone {
			continue
		}
		calls++
		if e.Source != "api:shop" || e.Data["api"] != "facephi" || e.Data["call"] != "authenticateUser" {
			t.Errorf("event %+v", e)
		}
		if e.Data["result"] == "-101" && e.Scores.Match != nil {
			t.Error("the trail has the similarity of what was not alive")
		}
		if calls == 1 && (e.Data["reference"] != "order 7" || e.Data["extra"] != "x" || e.Data["operation"] != "op-1" || e.Person != "001") {
			t.Errorf("the caller's marks are not in the event: %+v", e.Data)
		}
	}
	if calls != 9 || !consent {
		t.Errorf("%d calls are recorded, want 9; consent recorded: %v", calls, consent)
	}
	if c.Door.Unlocked() != 0 {
		t.Error("a posted picture opened the door")
	}
}

// What a model that cannot be used does to the answers of both calls.
func TestBrokenModels(t *testing.T) {
	whole := newClient(t, apitest.Options{})
	template := whole.Look(t, whole.A1()).Template
	for _, tt := range []struct {
		role string
		code int
		log  string
	}{
		{"live_27", 10, "NoneBecauseInternalError"},
		{"detect_full", 10, "NoneBecauseInternalError"},
		{"mesh", 11, "NoneBecauseImagePreprocessError"},
		{"iris", 10, "NoneBecauseInternalError"},
		{"parsing", 10, "NoneBecauseInternalError"},
	} {
		t.Run(tt.role, func(t *testing.T) {
			c := newClient(t, apitest.Options{Broken: []string{tt.role}})
			want := fmt.Sprintf(`{"serviceResultCode":0,"serviceResultLog":%q,"serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":%d}`, tt.log, tt.code)
			apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(c.A2())}), 200, jsonType, want)
			c.Enrol(t, "001")
			token, err := facephi.GiveToken(t.Context(), c.Service, "001", template)
			if err != nil {
				t.Fatal(err)
			}
			a := c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": token, "bestImageToken": b64(c.A2())})
			apitest.Golden(t, a, 200, jsonType, result(-101, notLive, tt.code, 0, "0"))
		})
	}
}

// A model that the site may not use any more is not used, and the answer says why.
func TestLicence(t *testing.T) {
	want := `{"serviceResultCode":0,"serviceResultLog":"NoneBecauseLicenseError","serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":15}`
	for name, o := range map[string]apitest.Options{
		"ended": {Ended: []string{"live_40"}}, "of another tenant": {Foreign: []string{"live_27", "live_se18"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, o)
			apitest.Golden(t, c.post("/services/evaluatePassiveLiveness", m{"imageBuffer": b64(c.A2())}), 200, jsonType, want)
			a := c.post("/services/authenticateUser", m{"userId": "001", "image": b64(c.A1()), "bestImageToken": b64(c.A2())})
			apitest.Golden(t, a, 200, jsonType, result(-101, notLive, 15, 0, "0"))
		})
	}
}

// Without the embedder a token opens, the face lives, and nothing can be compared.
func TestBrokenEmbedder(t *testing.T) {
	whole := newClient(t, apitest.Options{})
	look := whole.Look(t, whole.A1())
	c := newClient(t, apitest.Options{Broken: []string{"embed_foamliu"}})
	c.Enrol(t, "001")
	token, err := facephi.GiveToken(t.Context(), c.Service, "001", look.Template)
	if err != nil {
		t.Fatal(err)
	}
	a := c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": token, "bestImageToken": b64(c.A2())})
	apitest.Golden(t, a, 200, jsonType, result(-102, otherFace, 3, 5, "0"))
}

// A capture opens the door for as long as any picture: the time counts from when it was taken.
func TestOldCaptureOpensNothing(t *testing.T) {
	c := newClient(t, apitest.Options{})
	token := c.enrol("001", c.A1(), c.A3())
	c.Reload(t)
	c.Rules(t, "[doors.main]\napi_may_unlock = true\n[[access]]\ngroups = [\"*\"]\ndoors = [\"main\"]\n")
	_, c.secret = c.Key(t, store.Key{API: store.APIFacephi, Scopes: []string{store.ScopeAuthenticate, store.ScopeUnlock}})
	c.Camera.See(c.A2())
	for _, tt := range []struct {
		age    time.Duration
		opened int
	}{{-time.Minute, 1}, {4 * time.Second, 0}} { // the first so young that no machine is too slow for it
		var r struct {
			Best string `json:"bestImageToken"`
			Code int    `json:"serviceResultCode"`
		}
		if err := json.Unmarshal(c.post("/services/captureImage", m{}).Body, &r); err != nil {
			t.Fatal(err)
		}
		c.Update(t, func(tx *store.Tx) error { return facephi.Age(tx, r.Best, tt.age) })
		before := c.Door.Unlocked()
		a := c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": token, "bestImageToken": r.Best})
		if err := json.Unmarshal(a.Body, &r); err != nil || r.Code != 0 {
			t.Fatalf("%v old: %s, %v", tt.age, a.Body, err)
		}
		if n := c.Door.Unlocked() - before; n != tt.opened {
			t.Errorf("%v old: the door was opened %d times, want %d", tt.age, n, tt.opened)
		}
	}
}

// A capture of the kiosk's own camera serves once and for a moment, as a picture or as a template;
// what else is called a template shows no life.
func TestCaptures(t *testing.T) {
	c := newClient(t, apitest.Options{})
	token := c.enrol("001", c.A1(), c.A3())
	capture := func(picture []byte, liveness int, log string, template bool) (best, live string) {
		t.Helper()
		c.Camera.See(picture)
		want := fmt.Sprintf(`{"serviceResultCode":0,"serviceResultLog":%q,"serviceTime":"<digits>","serviceTransactionId":"<uuid>","serviceLivenessResult":%d,"bestImageToken":"<string>"`, log, liveness)
		if template {
			want += `,"template":"<base64>"`
		}
		a := c.post("/services/captureImage", m{})
		apitest.Golden(t, a, 200, jsonType, want+"}")
		var r struct{ BestImageToken, Template string }
		if err := json.Unmarshal(a.Body, &r); err != nil || !strings.HasPrefix(r.BestImageToken, "capture:") {
			t.Fatalf("%s, %v", a.Body, err)
		}
		return r.BestImageToken, r.Template
	}
	try := func(user, name, live, want string) {
		t.Helper()
		c.forgetTries()
		apitest.Golden(t, c.post("/services/authenticateUser", m{"userId": user, "registeredTemplateRaw": token, name: live}), 200, jsonType, want)
	}
	lifeless := result(-101, notLive, 0, 0, "0")

	// Where nobody stands before the camera it is waited for somebody, meanwhile.
	empty := newClient(t, apitest.Options{})
	nobody := make(chan *apitest.Answer, 1)
	empty.Posting(t, "/services/captureImage", map[string]string{"x-api-key": empty.secret}, []byte("{}"), nobody)
	defer func() { apitest.Golden(t, <-nobody, 504, jsonType, timedOut) }()

	best, live := capture(c.A2(), 3, "Live", true)
	if err := c.DB.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Records("capture", "", 0, 10)
		if left := time.Until(list[0].Expires); len(list) != 1 || left > 10*time.Second || left < 0 {
			t.Errorf("%d captures, the first for %v", len(list), left)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	try("001", "bestImageToken", best, result(0, yes, 3, 3, `"<number 0.8 1 4>"`))
	try("001", "bestImageToken", best, lifeless)
	try("001", "template", live, lifeless) // used up by the picture

	best, live = capture(c.A2(), 3, "Live", true)
	try("001", "template", live, result(0, yes, 3, 3, `"<number 0.8 1 4>"`))
	try("001", "template", live, lifeless)
	try("001", "bestImageToken", best, lifeless)

	_, live = capture(c.B1(), 3, "Live", true)
	try("001", "template", live, result(-102, otherFace, 3, 1, `"<number 0 0.7999 4>"`))

	best, _ = capture(c.Spoof(), 17, "NoLive", false)
	try("001", "bestImageToken", best, result(-101, notLive, 17, 0, "0"))
	best, _ = capture(c.Turn30(), 3, "Live", false)
	try("001", "bestImageToken", best, result(-102, otherFace, 3, 4, "0"))

	// Too late; a registered token, which is no live face; another's capture made up.
	best, live = capture(c.A2(), 3, "Live", true)
	c.Expire(t, "capture", "")
	try("001", "bestImageToken", best, lifeless)
	try("001", "template", live, lifeless)
	try("001", "template", token, lifeless)
	try("001", "template", "AAAA", lifeless)
	try("001", "bestImageToken", "capture:0011223344556677889900aa", lifeless)
}

// Somebody whom only the central site knows is compared with what it tells. Rubbish is 502, and
// nobody is enrolled.
func TestFleet(t *testing.T) {
	c := newClient(t, apitest.Options{})
	theirs := c.Look(t, c.A3()).Template
	var vec []byte
	for _, x := range theirs.Vector {
		vec = binary.LittleEndian.AppendUint32(vec, math.Float32bits(x))
	}
	central := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v1/people/011":
			fmt.Fprintf(w, `{"id":"011","templates":[{"model":%q,"vec":%q}]}`, theirs.Model, b64(vec))
		case "/v1/people/022":
			fmt.Fprint(w, `{"id":"022","templates":[{"model":"x","vec":"rubbish"}]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	defer central.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: central.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := lookup.New(lookup.Options{URL: central.URL + "/v1/people", CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	c.Service.Fleet = api.Fleet{Client: client}
	try := func(user string, image, live []byte) *apitest.Answer {
		t.Helper()
		c.forgetTries()
		return c.post("/services/authenticateUser", m{"userId": user, "image": b64(image), "bestImageToken": b64(live)})
	}
	apitest.Golden(t, try("011", c.A1(), c.A2()), 200, jsonType, result(0, yes, 3, 3, `"<number 0.8 1 4>"`))
	apitest.Golden(t, try("011", c.B1(), c.B2()), 200, jsonType, result(-100, notBound("011"), 0, 0, "0"))
	apitest.Golden(t, try("022", c.A1(), c.A2()), 502, jsonType,
		`{"status":502,"title":"Bad Gateway","detail":"Server got an invalid response.","type":"https://developer.mozilla.org/en-US/docs/Web/HTTP/Status/502"}`)
	for _, user := range []string{"011", "022"} {
		if _, err := c.DB.Person(t.Context(), user); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s is held here: %v", user, err)
		}
	}
	// Who is known to nobody is enrolled as ever; a token that this kiosk made is held against the
	// central site's face once the person is gone here.
	token := c.enrol("033", c.B1(), c.B2())
	other, err := facephi.GiveToken(t.Context(), c.Service, "011", theirs)
	if err != nil {
		t.Fatal(err)
	}
	strange, err := facephi.GiveToken(t.Context(), c.Service, "011", c.Look(t, c.B1()).Template)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, user, token string
		live              []byte
		want              string
	}{
		{"enrolled here", "033", token, c.A2(), result(-102, otherFace, 3, 1, `"<number 0 0.7999 4>"`)},
		{"theirs alone", "011", other, c.A2(), result(0, yes, 3, 3, `"<number 0.8 1 4>"`)},
		{"theirs alone, and another face", "011", other, c.B2(), result(-102, otherFace, 3, 1, `"<number 0 0.7999 4>"`)},
		{"a token of another face", "011", strange, c.B2(), result(-100, notBound("011"), 0, 0, "0")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.forgetTries()
			a := c.post("/services/authenticateUser", m{"userId": tt.user, "registeredTemplateRaw": tt.token, "bestImageToken": b64(tt.live)})
			apitest.Golden(t, a, 200, jsonType, tt.want)
		})
	}
	central.Close()
	apitest.Golden(t, try("044", c.A1(), c.A2()), 502, jsonType, problem(502, "Server got an invalid response."))
	c.forgetTries()
	a := c.post("/services/authenticateUser", m{"userId": "011", "registeredTemplateRaw": other, "bestImageToken": b64(c.A2())})
	apitest.Golden(t, a, 502, jsonType, problem(502, "Server got an invalid response."))
	if _, err := c.DB.Person(t.Context(), "044"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("044 is held here: %v", err)
	}
}

// forgetTries lets everybody begin anew with their five tries a minute.
func (c *client) forgetTries() { c.Service.Keys = api.NewKeys(c.DB) }

// The rows of updateUserTemplate, and the deletion of users.
func TestUpdateUserTemplate(t *testing.T) {
	const updated = "The user's templateRaw was updated successfully."
	answer := func(code int, log string) string {
		return fmt.Sprintf(`{"serviceResultCode":%d,"serviceResultLog":%q,"serviceTime":"<digits>","serviceTransactionId":"<uuid>","timestamp":"<time ms>","transactionId":"<uuid>"}`, code, log)
	}
	stale := "The registeredTemplateRaw parameter sent does not match the registered user's templateRaw for the user ID: [001]. InvalidRegisteredTemplateRaw."
	c := newClient(t, apitest.Options{})
	first, second := c.enrol("001", c.A1(), c.A3()), c.enrol("001", c.A3(), c.A1())
	other := c.enrol("002", c.B1(), c.B2())
	update := func(user, before, after string) *apitest.Answer {
		t.Helper()
		return c.post("/services/updateUserTemplate", m{"userId": user, "oldRegisteredTemplateRaw": before, "newRegisteredTemplateRaw": after})
	}
	apitest.Golden(t, update("003", first, second), 400, jsonType, answer(-103, "User not found"))
	apitest.Golden(t, update("001", first, other), 401, jsonType, answer(-100, notBound("001")))
	apitest.Golden(t, update("001", other, first), 401, jsonType, answer(-100, notBound("001")))
	apitest.Golden(t, update("001", second, first), 401, jsonType, answer(-102, stale)) // issued, not registered
	a := update("001", first, second)
	apitest.Golden(t, a, 200, jsonType, answer(0, updated))
	var r struct{ ServiceTransactionID, TransactionID string }
	if err := json.Unmarshal(a.Body, &r); err != nil || r.ServiceTransactionID != r.TransactionID {
		t.Errorf("two transactions: %s", a.Body)
	}
	apitest.Golden(t, update("001", first, second), 401, jsonType, answer(-102, stale))
	a = c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": first, "bestImageToken": b64(c.A2())})
	apitest.Golden(t, a, 200, jsonType, result(-100, notBound("001"), 0, 0, "0"))
	a = c.post("/services/authenticateUser", m{"userId": "001", "registeredTemplateRaw": second, "bestImageToken": b64(c.A2())})
	apitest.Golden(t, a, 200, jsonType, result(0, yes, 3, 3, `"<number 0.8 1 4>"`))

	// The other name of the new token; a token exchanged for itself is made anew.
	a = c.post("/services/updateUserTemplate", m{"userId": "001", "oldRegisteredTemplateRaw": second, "registeredTemplateRaw": second, "tracking": m{}})
	apitest.Golden(t, a, 200, jsonType, strings.TrimSuffix(answer(0, updated), "}")+`,"templateRaw":"<base64>"}`)
	apitest.Golden(t, update("001", second, second), 401, jsonType, answer(-102, stale))

	deleted := `{"serviceResultCode":0,"serviceResultLog":"The service execution was successful, the module processed the request correctly.","serviceTime":"<digits>","serviceTransactionId":"<uuid>"}`
	apitest.Golden(t, c.call(http.MethodDelete, "/services/authenticateUser", m{"userIds": []string{"001", "777"}}), 200, jsonType, deleted)
	if _, err := c.DB.Person(t.Context(), "001"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("the person is still there: %v", err)
	}
	apitest.Golden(t, update("001", second, second), 400, jsonType, answer(-103, "User not found"))

	// Whoever comes back under the id begins anew.
	c.Reload(t)
	again := c.enrol("001", c.A1(), c.A3())
	apitest.Golden(t, update("001", second, again), 401, jsonType, answer(-100, notBound("001")))
	apitest.Golden(t, update("001", again, second), 401, jsonType, answer(-100, notBound("001")))
}

// A key that may enrol gives no other face to somebody whom it has not made, and does not erase them.
func TestSomebodyElsesPeople(t *testing.T) {
	c := newClient(t, apitest.Options{})
	c.Enrol(t, "001", c.A1())
	c.Reload(t)
	templates := func(id string) (ids []string) {
		t.Helper()
		c.Update(t, func(tx *store.Tx) error {
			for e, err := range tx.TemplatesOf(id) {
				if err != nil {
					return err
				}
				ids = append(ids, e.ID)
			}
			return nil
		})
		return ids
	}
	before := templates("001")
	first, second := c.enrol("001", c.A2(), c.A1()), c.enrol("001", c.A3(), c.A1())
	update := func(user, before, after string) int {
		t.Helper()
		return c.post("/services/updateUserTemplate", m{"userId": user, "oldRegisteredTemplateRaw": before, "newRegisteredTemplateRaw": after}).Status
	}
	if got := update("001", first, second); got != http.StatusOK {
		t.Errorf("tokens of somebody else's person: %d", got)
	}
	if after := templates("001"); !slices.Equal(before, after) {
		t.Errorf("the door knows them by %v, want %v", after, before)
	}
	erase := func(id string) int {
		t.Helper()
		return c.call(http.MethodDelete, "/services/authenticateUser", m{"userIds": []string{id}}).Status
	}
	if got := erase("001"); got != http.StatusForbidden {
		t.Errorf("erased: %d", got)
	}

	// One's own is changed and erased, but by no key of another project.
	made := c.enrol("002", c.B1(), c.B2())
	c.Reload(t)
	before = templates("002")
	c.forgetTries()
	if got := update("002", made, c.enrol("002", c.B2(), c.B1())); got != http.StatusOK {
		t.Errorf("tokens of one's own: %d", got)
	}
	if after := templates("002"); len(after) != 1 || slices.Equal(before, after) {
		t.Errorf("the door knows them by %v, which was %v", after, before)
	}
	mine := c.secret
	_, c.secret = c.Key(t, store.Key{API: store.APIFacephi, Project: "other", Scopes: []string{store.ScopeEnrol}})
	if got := erase("002"); got != http.StatusForbidden {
		t.Errorf("erased by a key of another project: %d", got)
	}
	c.secret = mine
	if got := erase("002"); got != http.StatusOK {
		t.Errorf("one's own is not erased: %d", got)
	}
	_, c.secret = c.Key(t, store.Key{API: store.APIFacephi, Scopes: []string{store.ScopeEnrol, store.ScopeAdmin}})
	if got := erase("001"); got != http.StatusOK {
		t.Errorf("not erased by an administrator: %d", got)
	}
}

// Nobody is enrolled without the scope, without consent, or with a face that is somebody
// else's; the answer is the same.
func TestRefusedEnrolment(t *testing.T) {
	c := newClient(t, apitest.Options{})
	c.enrol("001", c.A1(), c.A3())
	refused := func(user, secret string, image, live []byte) {
		t.Helper()
		body, _ := json.Marshal(m{"userId": user, "image": b64(image), "bestImageToken": b64(live)}) //nolint:errchkjson // text
		a := c.Call(t, http.MethodPost, "/services/authenticateUser", map[string]string{"X-Api-Key": secret}, body)
		apitest.Golden(t, a, 200, jsonType, result(-100, notBound(user), 0, 0, "0"))
		if _, err := c.DB.Person(t.Context(), user); user != "001" && !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s was left behind: %v", user, err)
		}
	}
	_, looks := c.Key(t, store.Key{API: store.APIFacephi, Scopes: []string{store.ScopeAuthenticate}, Consent: "1.0"})
	_, silent := c.Key(t, store.Key{API: store.APIFacephi, Scopes: []string{store.ScopeAuthenticate, store.ScopeEnrol}})
	refused("002", looks, c.B1(), c.B2())
	refused("003", silent, c.B1(), c.B2())
	refused("004", c.secret, c.A1(), c.A3()) // is 001 already
	refused("001", c.secret, c.B1(), c.B2()) // is not 001
	refused("005", c.secret, c.None(), c.B2())
	refused("006", c.secret, c.Junk(), c.B2())
	// A reference that nobody alive is like makes nobody.
	a := c.post("/services/authenticateUser", m{"userId": "007", "image": b64(c.B1()), "bestImageToken": b64(c.A3())})
	apitest.Golden(t, a, 200, jsonType, result(-102, otherFace, 3, 1, `"<number 0 0.7999 4>"`))
	if _, err := c.DB.Person(t.Context(), "007"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("007 was left behind: %v", err)
	}
}
